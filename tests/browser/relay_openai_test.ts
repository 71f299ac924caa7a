import { assert, assertEquals } from "@std/assert";
import { WHAT_WAS_SAID } from "../relay/openai_clients/what_was_said.ts";
import { startOpenAiRealtime } from "../relay/openai_realtime_server/start_openai_realtime.ts";
import { startRelayProcess, TOKEN } from "../relay/start_relay_process.ts";
import { requires } from "../support/requires.ts";
import { selfSignedCertificate } from "../support/self_signed_certificate.ts";
import { startTcpFront } from "../support/tcp_front.ts";
import { within } from "../support/within.ts";
import { openRelayPage } from "./open_relay_page.ts";

const KEY = "sk-of-the-server-alone";
const chromium = requires("chromium");

Deno.test({
  name: `OpenAI's clients on a page talk through the relay as they do directly${chromium.suffix}`,
  ignore: chromium.ignore,
  fn: () => within("the page and its talks", talkOnPage(), 90_000),
});

async function talkOnPage(): Promise<void> {
  await using opened = await openRelayPage(chromium.path);
  const { page, origin } = opened;
  await using openAi = await startOpenAiRealtime({ apiKey: KEY });
  const env = { OPENAI_API_KEY: KEY, OPENAI_REALTIME_URL: openAi.url, ALLOWED_ORIGINS: origin };
  await using relay = await startRelayProcess("2.1.4", env);
  const certificate = await selfSignedCertificate();
  using directFront = startTcpFront(new URL(openAi.url).host, certificate);
  using relayFront = startTcpFront(relay.host, certificate);

  const talkBy = (client: "openai" | "agents", url: string, key: string) =>
    page.evaluate(([client, url, key]) => globalThis.talkBy(client, { url, key }), [client, url, key] as const);
  for (const client of ["openai", "agents"] as const) {
    const [direct, relayed] = await Promise.all([
      talkBy(client, `wss://${directFront.host}/v1/realtime?model=gpt-realtime`, KEY),
      talkBy(client, `wss://${relayFront.host}/relay/openai/realtime?model=gpt-realtime`, TOKEN),
    ]);
    assertEquals(direct, { ...direct, transcript: WHAT_WAS_SAID, errors: [] });
    assertEquals(relayed, direct);
  }
  assertEquals(openAi.sessions.map(({ transcript }) => transcript), openAi.sessions.map(() => WHAT_WAS_SAID));
  assertEquals(openAi.sessions.flatMap(({ refusals }) => refusals), []);
  assertEquals(opened.errors(), []);
  const seen = new TextDecoder().decode(await new Blob(relayFront.said as BlobPart[]).arrayBuffer());
  assert(seen.includes("response.done") && !seen.includes(KEY), "the key is in a frame");
}
