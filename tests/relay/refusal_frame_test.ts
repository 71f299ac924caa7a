import { assertEquals, assertMatch } from "@std/assert";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import { refusalFrame } from "../../shared/relay/refusal_frame.ts";
import { ERROR_CODES } from "../../shared/protocol/codes.ts";
import { within } from "../support/within.ts";
import { withoutTls } from "../support/without_tls.ts";
import { startRelayProcess, TOKEN } from "./start_relay_process.ts";

const FRAME = { type: "error", code: "forbidden", message: "Not for you" } as const;

function frameFor(path: string, frame: Parameters<typeof refusalFrame>[1] = FRAME) {
  return refusalFrame(new Request(`http://h${path}`), frame);
}

Deno.test("refusalFrame() is the error frame, and nothing for clients of Realtime", () => {
  for (const path of ["/relay", "/relay/speech", "/relay/speech/openai"]) assertEquals(frameFor(path), FRAME);
  assertEquals(frameFor("/relay/supabase/realtime/v1/websocket?vsn=2.0.0"), undefined);
});

for (const path of ["/relay/openai?model=gpt-realtime", "/relay/openai/realtime"]) {
  Deno.test(`refusalFrame() has what clients of OpenAI read, behind what all read, at ${path}`, () => {
    const text = JSON.stringify(frameFor(path));
    assertMatch(text, /^\{"type":"error","code":"forbidden","message":"Not for you","event_id":"event_\w+","error":\{/);
    const error = { type: "invalid_request_error", code: "forbidden", message: "Not for you", param: null };
    assertEquals(JSON.parse(text).error, { ...error, event_id: null });
  });
}

Deno.test("refusalFrame() tells the faults of a client from those of the server", () => {
  const typeOf = (code: string) => {
    const { error } = frameFor("/relay/openai", { ...FRAME, code }) as { error: { type: string } };
    return error.type;
  };
  for (const [code, { status }] of Object.entries(ERROR_CODES)) {
    assertEquals(typeOf(code), status < 500 ? "invalid_request_error" : "server_error", code);
  }
  assertEquals(typeOf("constructor"), "invalid_request_error");
});

Deno.test("the client of openai learns why it is refused", async () => {
  await using relay = await startRelayProcess("2.1.4", { OPENAI_API_KEY: "sk-of-the-server-alone" });
  using _plain = withoutTls();
  const refusals = [
    { query: "?model=gpt-other", apiKey: TOKEN, code: "forbidden" },
    { query: "?model=gpt-realtime", apiKey: "nonsense", code: "unauthorized" },
    { query: "?model=gpt-realtime&session=a.b", apiKey: TOKEN, code: "bad_request" },
  ];
  for (const { query, apiKey, code } of refusals) {
    const url = new URL(`wss://${relay.host}/relay/openai${query}`);
    const client = new OpenAIRealtimeWebSocket(
      { model: "gpt-realtime", dangerouslyAllowBrowser: true, buildRealtimeURL: () => url, reconnect: true },
      { apiKey, baseURL: "https://openai.invalid/v1" },
    );
    const told = Promise.withResolvers<Error & { error?: { code?: string | null } }>();
    const closed = Promise.withResolvers<void>();
    client.on("error", told.resolve);
    client.on("close", () => closed.resolve());
    const { error, message } = await within("the client is told", told.promise);
    assertEquals(error?.code, code, message);
    await within("the client is closed", closed.promise);
  }
});
