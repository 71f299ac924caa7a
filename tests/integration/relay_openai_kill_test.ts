import { assertEquals } from "@std/assert";
import { serveSessionStore } from "../relay/openai/serve_session_store.ts";
import { RealtimeClient } from "../relay/openai_realtime_server/realtime_client.ts";
import { startOpenAiRealtime } from "../relay/openai_realtime_server/start_openai_realtime.ts";
import { type RelayProcess, startRelayProcess } from "../relay/start_relay_process.ts";
import { HOSTED_DENO } from "../support/deno_versions.ts";
import { eventually } from "../support/eventually.ts";

const PATH = "/openai?session=talk";

Deno.test("an isolate that is killed takes no turn with it, and none is answered twice", async () => {
  await using openAi = await startOpenAiRealtime();
  await using store = serveSessionStore();
  const start = () =>
    startRelayProcess(HOSTED_DENO, {
      SUPABASE_URL: store.url,
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: "sb_secret_of_this_test" }),
      OPENAI_API_KEY: openAi.apiKey,
      OPENAI_REALTIME_URL: openAi.url,
    });
  const isolates: RelayProcess[] = await Promise.all([start(), start(), start()]);
  const kill = async () => await isolates.shift()?.[Symbol.asyncDispose]();
  const connect = () => RealtimeClient.open(isolates[0]!.socketUrl(PATH));
  try {
    // While it answers.
    const first = await connect();
    first.send({ type: "session.update", session: { type: "realtime", output_modalities: ["text"] } });
    await first.next("session.updated");
    await first.ask("hello");
    first.say("count to 4 and wait");
    first.send({ type: "response.create" });
    const { response_id } = await first.next("response.output_text.delta");
    await kill();
    await first.socket.closed;
    const second = await connect();
    const { response } = await second.next("response.done");
    assertEquals([response.id, response.status], [response_id, "cancelled"]);
    await second.next("response.created");
    await eventually("the answer ends", () => {
      openAi.sessions.at(-1)!.goOn();
      return second.all("response.done").length > 1;
    });
    const { response: answer } = await second.next("response.done");

    // Between two turns.
    await kill();
    await second.socket.closed;
    await using third = await connect();
    assertEquals((await third.next("response.done")).response.id, answer.id);
    await third.ask("bye");
    assertEquals(openAi.sessions.at(-1)!.transcript, [
      "user: hello",
      'assistant: Answer 1: I heard "hello".',
      "user: count to 4 and wait",
      "assistant: 1 2 3 4",
      "user: bye",
      'assistant: Answer 3: I heard "bye".',
    ]);
    assertEquals(openAi.sessions.flatMap(({ refusals }) => refusals), []);
    assertEquals(openAi.sessions.flatMap(({ answers }) => answers).map(({ to }) => to), [
      "hello",
      "count to 4 and wait",
      "bye",
    ]);
  } finally {
    for (const isolate of isolates) await isolate[Symbol.asyncDispose]();
  }
});
