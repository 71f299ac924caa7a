import { assertEquals } from "@std/assert";
import { memorySessionStore } from "../../../shared/relay/openai/memory_session_store.ts";
import { memoryUsageStore } from "../../../shared/relay/openai/memory_usage_store.ts";
import { Meter } from "../../../shared/relay/openai/meter.ts";
import type { SessionStore } from "../../../shared/relay/openai/session_store.ts";
import { DEFAULT_WEIGHTS } from "../../../shared/relay/openai/usage.ts";
import { eventually } from "../../support/eventually.ts";
import { RealtimeClient } from "../openai_realtime_server/realtime_client.ts";
import { startOpenAiRealtime } from "../openai_realtime_server/start_openai_realtime.ts";
import { ADA, startOpenAiRelay, tokenOf } from "./start_openai_relay.ts";

const TEXT = { type: "realtime", output_modalities: ["text"] };

function meterOf(usage: ReturnType<typeof memoryUsageStore>, dailyBudget: number | null = null): Meter {
  return new Meter({ store: usage, limits: { dailyBudget, maxSessions: 10 }, weights: DEFAULT_WEIGHTS });
}

/** Has a client hear the first words of an answer that then stands still. */
async function hearHalf(client: RealtimeClient): Promise<void> {
  client.send({ type: "session.update", session: TEXT });
  client.say("count to 60 and wait");
  client.send({ type: "response.create" });
  await eventually("half of the answer is there", () => client.all("response.output_text.delta").length >= 30);
}

const isStored = (usage: ReturnType<typeof memoryUsageStore>, count = 1) =>
  eventually("the usage is stored", () => usage.records.size >= count);

for (
  const [how, leave] of [
    ["closes", (client: RealtimeClient) => client.socket.socket.close(1000)],
    ["goes away without a word", (client: RealtimeClient) => client.socket.socket.close(4000, "gone")],
  ] as const
) {
  Deno.test(`metering: an answer whose client ${how} in the middle is cancelled, counted, and the budget is used up`, async () => {
    await using openAi = await startOpenAiRealtime();
    const usage = memoryUsageStore();
    await using relay = startOpenAiRelay(openAi, { stages: [meterOf(usage, 1).createStage] });
    await using client = await relay.talk("");
    await hearHalf(client);
    leave(client);
    await isStored(usage);
    await openAi.sessions[0]!.closed;
    assertEquals(openAi.sessions[0]!.received.at(-1)?.type, "response.cancel");
    await using again = await RealtimeClient.open(`${relay.socketUrl}/relay/openai`, await tokenOf(ADA));
    assertEquals((await again.socket.closed).code, 4402);
  });
}

Deno.test("metering: an answer that had not begun when its client left is cancelled, and counted", async () => {
  await using openAi = await startOpenAiRealtime();
  const usage = memoryUsageStore();
  await using relay = startOpenAiRelay(openAi, { stages: [meterOf(usage).createStage] });
  await using client = await relay.talk("");
  client.send({ type: "session.update", session: TEXT });
  client.say("count to 60 and wait");
  await client.next("conversation.item.done");
  const upstream = openAi.sessions[0]!;
  upstream.stall();
  client.send({ type: "response.create" });
  await eventually("it is asked for", () => upstream.received.some(({ type }) => type === "response.create"));
  client.socket.socket.close(1000);
  await client.socket.closed;
  upstream.resume();
  await isStored(usage);
  await upstream.closed;
  assertEquals(upstream.received.at(-1)?.type, "response.cancel");
});

Deno.test("metering: an answer is counted whose conversation another connection takes over in the middle", async () => {
  await using openAi = await startOpenAiRealtime();
  const usage = memoryUsageStore();
  const store = memorySessionStore();
  await using relay = startOpenAiRelay(openAi, { stages: [meterOf(usage).createStage], store });
  await using client = await relay.talk();
  await hearHalf(client);
  await store.claim({ userId: ADA, sessionId: "talk" }, crypto.randomUUID());
  client.say("and then?");
  assertEquals((await client.socket.closed).code, 4409);
  await isStored(usage);
});

Deno.test("metering: an answer is counted that has ended and waits to be stored when its isolate ends", async () => {
  await using openAi = await startOpenAiRealtime();
  const usage = memoryUsageStore();
  const kept = memorySessionStore();
  const gate = Promise.withResolvers<void>();
  let isSlow = false;
  const store: SessionStore = {
    ...kept,
    async save(...args) {
      if (isSlow) await gate.promise;
      return await kept.save(...args);
    },
  };
  const stages = [meterOf(usage).createStage];
  await using relay = startOpenAiRelay(openAi, { stages, store });
  await using client = await relay.talk();
  client.send({ type: "session.update", session: TEXT });
  client.say("hello");
  await client.next("conversation.item.done");
  client.send({ type: "response.create" });
  await client.next("response.created");
  isSlow = true;
  await eventually("the answer has ended", () => openAi.sessions[0]!.answers.length === 1);
  await isStored(usage);
  assertEquals(client.all("response.done"), []);
  client.socket.socket.close(4000, "gone");
  gate.resolve();
});

Deno.test("metering: an answer is counted whose client is closed in the middle, and the upstream is not dialled again", async () => {
  await using openAi = await startOpenAiRealtime();
  const usage = memoryUsageStore();
  const stages = [meterOf(usage).createStage];
  await using relay = startOpenAiRelay(openAi, { stages, pipe: { maxQueuedBytes: 20_000 } });
  await using client = await relay.talk();
  await hearHalf(client);
  const before = client.events.length;
  const place = { item_id: "item_9", response_id: "resp_9", content_index: 0, output_index: 0 };
  openAi.sessions[0]!.tell({ type: "response.output_text.delta", delta: "x".repeat(20_000), ...place });
  assertEquals((await client.socket.closed).code, 1009);
  await isStored(usage);
  await openAi.sessions[0]!.closed;
  assertEquals([client.events.length, openAi.sessions.length], [before, 1]);
});
