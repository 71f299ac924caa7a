import { assertEquals } from "@std/assert";
import type { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import { memorySessionStore } from "../../shared/relay/openai/memory_session_store.ts";
import { ADA, startOpenAiRelay, tokenOf } from "../relay/openai/start_openai_relay.ts";
import { startOpenAiRealtime } from "../relay/openai_realtime_server/start_openai_realtime.ts";
import { eventually } from "../support/eventually.ts";
import { startTcpFront } from "../support/tcp_front.ts";
import { withoutTls } from "../support/without_tls.ts";
import { page } from "./pages.ts";

Deno.test("docs/relay.md: its client of openai loses nothing that is sent over a hand-over, and brings a fresh token", async () => {
  await using openAi = await startOpenAiRealtime();
  const store = memorySessionStore();
  await using first = startOpenAiRelay(openAi, { store, sockets: {} });
  await using second = startOpenAiRelay(openAi, { store, sockets: {} });
  let host = first.host;
  using front = startTcpFront(() => host);
  using net = withoutTls();
  const [token, fresh] = [await tokenOf(ADA), await tokenOf(ADA)];
  let signIn: ((event: string, session: { access_token: string } | null) => void) | undefined;
  const auth = { onAuthStateChange: (listener: typeof signIn) => signIn = listener };
  const client = await runClient(front.host, { session: { access_token: token }, supabase: { auth } });

  const ended: string[] = [];
  client.on("response.done", ({ response }) => ended.push(response.status!));
  const ask = (text: string) => {
    client.send({
      type: "conversation.item.create",
      item: { type: "message", role: "user", content: [{ type: "input_text", text }] },
    });
    client.send({ type: "response.create" });
  };
  client.on("session.created", () => {
    client.send({ type: "session.update", session: { type: "realtime", output_modalities: ["text"] } });
    if (host === first.host) ask("one");
  });
  await eventually("it is answered", () => ended.length === 1);
  client.once("reconnecting", () => ask("two"));
  signIn!("TOKEN_REFRESHED", { access_token: fresh });
  signIn!("USER_UPDATED", null);
  host = second.host;
  first.isolate.drain("wall_clock");
  await eventually("what was asked meanwhile is answered", () => ended.length === 2);
  assertEquals(openAi.sessions.at(-1)!.transcript, [
    "user: one",
    'assistant: Answer 1: I heard "one".',
    "user: two",
    'assistant: Answer 2: I heard "two".',
  ]);
  const keys = net.offers.map(([, key]) => key!.replace("openai-insecure-api-key.", ""));
  assertEquals(keys.filter((key) => key !== openAi.apiKey), [token, fresh]);
  client.close();
  await second.idle();
});

/** Runs the block of the page that makes a client of `openai`, given what it takes for granted. */
async function runClient(host: string, given: Record<string, unknown>): Promise<OpenAIRealtimeWebSocket> {
  const block = page("docs/relay.md").blocks.find(({ code }) => code.includes("buildRealtimeURL"))!;
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/page.ts`;
    const code = block.code.replace("wss://PROJECT.supabase.co/functions/v1", `wss://${host}`);
    const [, imports = "", rest = ""] = code.match(/^((?:import [^;]*;\s*)+)([^]*)$/) ?? [];
    await Deno.writeTextFile(
      path,
      `${imports}\nexport function run({ ${Object.keys(given)} }) {\n${rest}\nreturn client;\n}\n`,
    );
    const { run } = await import(`file://${path}`);
    return run(given);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
