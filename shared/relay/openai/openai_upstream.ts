import { defineUpstream, type Upstream } from "../upstream.ts";

/** How OpenAI Realtime is reached. */
export interface OpenAiSettings {
  /** The server's own key. */
  readonly apiKey: string;
  /** Default `wss://api.openai.com/v1/realtime`. */
  readonly url?: string;
  /** The model of a client that names none; default `gpt-realtime`. */
  readonly model?: string;
  readonly organization?: string;
  readonly project?: string;
}

/**
 * OpenAI Realtime (GA). The key goes by subprotocol, as from a browser, since headers of an outbound socket do not work on
 * every runtime. A client may choose the `model`, and may come to `/realtime` below the upstream's name, which is where
 * OpenAI's own client goes that has it as its `baseURL`.
 */
export function openAiUpstream(settings: OpenAiSettings): Upstream {
  const { apiKey, url = "wss://api.openai.com/v1/realtime", model = "gpt-realtime", organization, project } = settings;
  return defineUpstream({
    name: "openai",
    url: withModel(url, model),
    subprotocols: [
      "realtime",
      "openai-insecure-api-key.{secret}",
      ...(organization ? [`openai-organization.${organization}`] : []),
      ...(project ? [`openai-project.${project}`] : []),
    ],
    secret: apiKey,
    query: ["model"],
    paths: ["/realtime", "/v1/realtime"],
  });
}

function withModel(text: string, model: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (!url.searchParams.has("model")) url.searchParams.set("model", model);
  return url.href;
}
