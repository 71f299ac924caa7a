import { assert, assertEquals } from "@std/assert";
import { type SignedUp, signUp } from "../support/sign_up.ts";
import { denoPath, HOSTED_DENO } from "../support/deno_versions.ts";
import { eventually } from "../support/eventually.ts";
import { requires } from "../support/requires.ts";
import { openSocket, type TestSocket } from "../support/socket.ts";
import { startRedis } from "../support/start_redis.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";

const redisServer = requires("redis-server");

Deno.test(`members on three isolates of Deno ${HOSTED_DENO} are one room, over Realtime`, async (t) => {
  await using local = await startTestLocal({ isolates: 3, deno: await denoPath(HOSTED_DENO) });
  await chatOverIsolates(t, local, "realtime");
  await t.step(
    "a message written by SQL or PostgREST reaches every isolate's sockets at once",
    () => writeBySql(local),
  );
});

Deno.test({
  name: `members on three isolates are one room, over Redis${redisServer.suffix}`,
  ignore: redisServer.ignore,
  async fn(t) {
    await using redis = await startRedis(redisServer.path);
    await using local = await startTestLocal({ isolates: 3, env: { REDIS_URL: redis.url } });
    await chatOverIsolates(t, local, "redis");
  },
});

async function chatOverIsolates(t: Deno.TestContext, local: TestLocal, backend: string): Promise<void> {
  const people = await Promise.all(["ann", "bob", "eve"].map((name) => signUp(local, name)));
  const room = `lobby-${crypto.randomUUID()}`;
  await using open = await joinAll(local, people, room);
  const [ann, bob, eve] = open.sockets as [TestSocket, TestSocket, TestSocket];

  await t.step("they sit on different isolates, and each sees the others", async () => {
    const health = await healthOfAll(local, 3);
    assertEquals(health.map(({ connections }) => connections), [1, 1, 1]);
    assertEquals(health.map(({ bus }) => bus.backend), [backend, backend, backend]);
    assertEquals(health[0]!.store.backend, "supabase");
    const seen = new Set<string>();
    while (seen.size < 2) for (const id of await nextJoined(ann)) if (id !== people[0]!.userId) seen.add(id);
  });

  await t.step("a message is on the other isolates within 100 ms of its own", async () => {
    await say(ann, [bob, eve], "the first opens what is lazy");
    const delays: number[] = [];
    for (let i = 0; i < 21; i++) {
      const [from, to] = i % 2 ? [ann, bob] : [eve, ann];
      delays.push(await say(from, [to], `message ${i}`));
    }
    assert(median(delays) < 100, `took ${delays.map(Math.round)} ms`);
  });

  await t.step("typing, a signal and a direct message too", async () => {
    ann.sendJson({ type: "typing", room });
    assertEquals((await bob.nextOfType("typing")).user_id, people[0]!.userId);
    ann.sendJson({ type: "signal", room, to: people[2]!.userId, data: { n: 1 } });
    assertEquals((await eve.nextOfType("signal")).data, { n: 1 });
    ann.sendJson({ type: "dm", to: people[1]!.userId, body: "psst" });
    for (;;) {
      const { message } = await bob.nextOfType("new_message") as { message: { body: string; room: string } };
      if (message.room === room) continue; // What was said before.
      assertEquals(message.body, "psst");
      break;
    }
  });

  await t.step("one who leaves is seen to leave", async () => {
    await eve.close();
    for (;;) {
      const { left } = await ann.nextOfType("presence") as { left?: { user_id: string }[] };
      if (left?.some(({ user_id }) => user_id === people[2]!.userId)) break;
    }
  });

  await t.step("each isolate counts what went over its bus", async () => {
    for (const { bus } of await healthOfAll(local, 3)) {
      assert(bus.published > 0 && bus.received > 0, JSON.stringify(bus));
      assertEquals(bus.dropped, 0);
    }
  });
}

async function writeBySql(local: TestLocal): Promise<void> {
  const people = [await signUp(local, "ann"), await signUp(local, "bob")];
  const room = `lobby-${crypto.randomUUID()}`;
  await using open = await joinAll(local, people, room);
  const times: number[] = [];
  for (let i = 0; i < 7; i++) {
    const body = `by PostgREST ${i}`;
    const began = performance.now();
    const { error } = await people[0]!.supabase.rpc("send_message", { room, body, client_id: crypto.randomUUID() });
    assertEquals(error, null);
    await Promise.all(open.sockets.map((socket) => nextMessage(socket, body)));
    times.push(performance.now() - began);
  }
  // Without the hint it would come with the next comparison of heads, every three seconds.
  assert(median(times) < 500, `took ${times.map(Math.round)} ms`);
}

/** A socket a person in the room: each goes to the next isolate, which take requests in turn. */
async function joinAll(local: TestLocal, people: readonly SignedUp[], room: string) {
  const sockets: TestSocket[] = [];
  for (const { accessToken } of people) {
    const socket = await openSocket(local.socketUrl(`chat?room=${room}&jwt=${accessToken}`));
    await socket.nextOfType("connection");
    sockets.push(socket);
  }
  return {
    sockets,
    async [Symbol.asyncDispose]() {
      for (const { socket } of sockets) socket.close(1000, "done");
      await Promise.all(sockets.map(({ closed }) => closed));
    },
  };
}

/** Says something, and gives how much later than the sender himself the others have it, in milliseconds. */
async function say(from: TestSocket, to: readonly TestSocket[], body: string): Promise<number> {
  from.sendJson({ type: "chat", body, client_id: crypto.randomUUID() });
  const [own, ...others] = await Promise.all([from, ...to].map(async (socket) => {
    await nextMessage(socket, body);
    return performance.now();
  }));
  return Math.max(...others) - own!;
}

async function nextMessage(socket: TestSocket, body: string): Promise<void> {
  for (;;) {
    const { message } = await socket.nextOfType("new_message") as { message: { body: string } };
    if (message.body === body) return;
  }
}

async function nextJoined(socket: TestSocket): Promise<string[]> {
  const { state, joined } = await socket.nextOfType("presence") as Record<string, { user_id: string }[] | undefined>;
  return [...state ?? [], ...joined ?? []].map(({ user_id }) => user_id);
}

interface Health {
  isolate: string;
  connections: number;
  store: { backend: string };
  bus: { backend: string; published: number; received: number; dropped: number };
}

/** What `/health` says on each of `count` isolates, which answer in turn. */
async function healthOfAll(local: TestLocal, count: number): Promise<Health[]> {
  const byIsolate = new Map<string, Health>();
  await eventually("all isolates answer", async () => {
    const health: Health = await (await fetch(`${local.url}/functions/v1/chat/health`)).json();
    byIsolate.set(health.isolate, health);
    return byIsolate.size === count;
  });
  return [...byIsolate.values()];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
