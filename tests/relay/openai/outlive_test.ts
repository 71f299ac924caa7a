import { assert, assertEquals } from "@std/assert";
import { memorySessionStore } from "../../../shared/relay/openai/memory_session_store.ts";
import { startOpenAiRealtime } from "../openai_realtime_server/start_openai_realtime.ts";
import { startOpenAiRelay } from "./start_openai_relay.ts";

const TEXT_SESSION = { type: "realtime", output_modalities: ["text"], instructions: "Be brief." };

Deno.test("a conversation goes on with another isolate, and the upstream has all of it", async () => {
  await using openAi = await startOpenAiRealtime();
  const store = memorySessionStore();
  await using first = startOpenAiRelay(openAi, { store });
  const before = await first.talk();
  before.send({ type: "session.update", session: TEXT_SESSION });
  await before.next("session.updated");
  await before.ask("hello");
  first.isolate.drain("wall_clock");
  assertEquals((await before.socket.closed).code, 1012);

  await using second = startOpenAiRelay(openAi, { store });
  await using after = await second.talk();
  const { session } = await after.next("session.updated");
  assert("instructions" in session && session.instructions === "Be brief.");
  await after.ask("and now?");
  assertEquals(openAi.sessions.at(-1)?.transcript, [
    "user: hello",
    'assistant: Answer 1: I heard "hello".',
    "user: and now?",
    'assistant: Answer 2: I heard "and now?".',
  ]);
  assertEquals(openAi.sessions.at(-1)?.refusals, []);
});
