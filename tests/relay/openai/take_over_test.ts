import { assertEquals } from "@std/assert";
import { memorySessionStore } from "../../../shared/relay/openai/memory_session_store.ts";
import type { SessionStore } from "../../../shared/relay/openai/session_store.ts";
import type { CreateStage } from "../../../shared/relay/openai/stage.ts";
import { RealtimeClient } from "../openai_realtime_server/realtime_client.ts";
import { startOpenAiRealtime } from "../openai_realtime_server/start_openai_realtime.ts";
import { ADA, type OpenAiRelay, startOpenAiRelay, tokenOf } from "./start_openai_relay.ts";

const TEXT = { type: "realtime", output_modalities: ["text"] };

/** A client that has not heard from its session yet. */
async function knock(relay: OpenAiRelay): Promise<RealtimeClient> {
  return await RealtimeClient.open(`${relay.socketUrl}/relay/openai?session=talk`, await tokenOf(ADA));
}

Deno.test("a claim that lands late takes a conversation from no client that came after it, gone or not", async () => {
  for (const isGone of [true, false]) {
    await using openAi = await startOpenAiRealtime();
    const store = memorySessionStore();
    const [asked, answered, landed] = [0, 1, 2].map(() => Promise.withResolvers<void>());
    const slow: SessionStore = {
      ...store,
      async claim(...args) {
        asked!.resolve();
        await answered!.promise;
        const claim = await store.claim(...args);
        landed!.resolve();
        return claim;
      },
    };
    await using here = startOpenAiRelay(openAi, { store: slow });
    await using there = startOpenAiRelay(openAi, { store });
    await using late = await knock(here);
    await asked!.promise;
    if (isGone) {
      late.socket.socket.close(4000, "gone");
      await late.socket.closed;
    }
    await using client = await there.talk();
    client.send({ type: "session.update", session: TEXT });
    await client.next("session.updated");
    answered!.resolve();
    await landed!.promise;
    if (!isGone) assertEquals((await late.socket.closed).code, 4409);
    await client.ask("hello");
    assertEquals(client.all("response.done").length, 1);
  }
});

Deno.test("a client that is not let in takes a conversation from nobody", async () => {
  await using openAi = await startOpenAiRealtime();
  let isFull = false;
  const doorkeeper: CreateStage = () => ({
    serverEvents: new Set(),
    open(output) {
      if (isFull) output.end(1013, "store_unavailable: The database cannot be reached");
    },
  });
  await using relay = startOpenAiRelay(openAi, { stages: [doorkeeper] });
  await using client = await relay.talk();
  client.send({ type: "session.update", session: TEXT });
  await client.next("session.updated");
  isFull = true;
  await using other = await knock(relay);
  assertEquals((await other.socket.closed).code, 1013);
  await client.ask("hello");
  isFull = false;
  await using next = await relay.talk();
  assertEquals((await client.socket.closed).code, 4409);
  await next.next("session.updated");
});

Deno.test("of two clients that are let in in the other order the one that came last goes on", async () => {
  await using openAi = await startOpenAiRealtime();
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const asked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let count = 0;
  const slow: CreateStage = () => ({
    serverEvents: new Set(),
    async open() {
      const number = count++;
      asked[number]!.resolve();
      await gates[number]!.promise;
    },
  });
  await using relay = startOpenAiRelay(openAi, { stages: [slow] });
  await using first = await knock(relay);
  await asked[0]!.promise;
  await using second = await knock(relay);
  await asked[1]!.promise;
  gates[1]!.resolve();
  await second.next("session.created");
  gates[0]!.resolve();
  assertEquals((await first.socket.closed).code, 4409);
  second.send({ type: "session.update", session: TEXT });
  await second.ask("hello");
});

Deno.test("a user whom the store does not know is refused for good", async () => {
  await using openAi = await startOpenAiRealtime();
  const store: SessionStore = { ...memorySessionStore(), claim: () => Promise.resolve("forbidden") };
  await using relay = startOpenAiRelay(openAi, { store });
  await using client = await knock(relay);
  assertEquals(await client.socket.closed, {
    code: 4403,
    reason: "forbidden: There is no such user in the database of this project",
  });
});
