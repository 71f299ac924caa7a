import { assert, assertEquals, assertRejects } from "@std/assert";
import { ChatError } from "../../shared/client/chat_error.ts";
import { connectChat } from "../../shared/client/connect_chat.ts";
import { memoryStorage } from "../../shared/client/outbox_storage.ts";
import type { ChatEvents } from "../../shared/client/chat_events.ts";
import { eventually } from "../support/eventually.ts";
import { userId } from "../support/serve_chat.ts";
import { within } from "../support/within.ts";
import { ChatNet, opened, record } from "./chat_net.ts";

Deno.test("connectChat() joins a room: what is sent is acknowledged, and comes as a typed event", async () => {
  await using net = new ChatNet();
  const ann = await opened(net.client(1, { room: "lobby" }));
  const bob = await opened(net.client(2, { room: "lobby" }));
  const heard = record(bob);
  const message = next(bob, "message");
  const ack = await ann.send({ body: "hello", data: { x: 1 }, client_id: "c1" });
  assertEquals([ack.room, ack.client_id], ["lobby", "c1"]);
  const { id, body, data, sender } = await message;
  assertEquals({ id, body, data, sender }, {
    id: ack.id,
    body: "hello",
    data: { x: 1 },
    sender: { id: userId(1), name: "user 1" },
  });
  assertEquals(ann.userId, userId(1));
  const edited = next(bob, "message_edited");
  await ann.edit(id, "hello all");
  assertEquals((await edited).body, "hello all");
  const reaction = next(ann, "reaction");
  await bob.react(id, "👍");
  assertEquals((await reaction).emoji, "👍");
  assertEquals(await bob.unreadCount("lobby"), 1);
  await bob.markRead(id);
  assertEquals(await bob.unreadCount("lobby"), 0);
  const deleted = next(bob, "message_deleted");
  await ann.delete(id);
  assertEquals((await deleted).message_id, id);
  const page = await bob.history({ limit: 10 });
  assertEquals(page.messages.map(({ id }) => id), [id]);
  const notice = next(bob, "typing");
  assert(ann.typing());
  assertEquals((await notice).user_id, userId(1));
  const signal = next(bob, "signal");
  assert(ann.signal({ offer: 1 }));
  assertEquals((await signal).data, { offer: 1 });
  assertEquals(heard.bodies(), ["hello"]);
});

Deno.test("connectChat() without a room is the inbox: it hears of all rooms, and of direct messages", async () => {
  await using net = new ChatNet();
  const ann = await opened(net.client(1));
  const bob = await opened(net.client(2));
  await assertRejects(() => ann.send({ body: "where?" }), ChatError, "'room' is missing");
  await ann.join("lobby");
  await bob.join("lobby");
  const [inRoom, direct] = [next(bob, "message"), nextWhere(bob, "message", ({ room }) => room.startsWith("dm:"))];
  await ann.send({ room: "lobby", body: "to all" });
  assertEquals((await inRoom).body, "to all");
  await ann.dm({ to: userId(2), body: "psst" });
  assertEquals((await direct).body, "psst");
  await bob.leave("lobby");
});

Deno.test("after a kill the client comes back, misses nothing, and sends what had no ack", async () => {
  await using net = new ChatNet();
  const ann = await opened(net.client(1, { room: "lobby" }));
  const bob = await opened(net.client(2, { room: "lobby" }));
  const heard = record(bob);
  const statuses: string[] = [];
  bob.on("status", ({ status }) => statuses.push(status));
  await ann.send({ body: "1" });
  net.boot();
  net.proxy.cut();
  const acks = ["2", "3", "4"].map((body) => ann.send({ body }));
  await Promise.all(acks);
  await eventually("all came", () => heard.bodies().length >= 4);
  assertEquals(heard.bodies(), ["1", "2", "3", "4"]);
  assertEquals(statuses, ["reconnecting", "open"]);
});

Deno.test("a steady stream both ways outlives isolates that drain and isolates that die: 0 lost, doubled, reordered", async () => {
  await using net = new ChatNet();
  const clients = await Promise.all([1, 2, 3].map((user) => opened(net.client(user, { room: "lobby" }))));
  const logs = clients.map(record);
  const downs: string[] = [];
  for (const chat of clients) chat.on("status", ({ status }) => downs.push(status));
  let running = true;
  const streams = clients.map(async (chat, sender) => {
    const acks: Promise<unknown>[] = [];
    for (let i = 0; running; i++) {
      acks.push(chat.send({ body: `${sender}:${i}` }));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return (await Promise.all(acks)).length;
  });
  for (let round = 0; round < 3; round++) {
    downs.length = 0;
    const draining = net.isolate;
    net.boot();
    draining.isolate.drain("memory");
    await eventually("the old isolate is empty", () => draining.isolate.state === "gone");
    await eventually("all are elsewhere", () => downs.length >= 6);
    assertEquals(downs.toSorted(), [...Array(3).fill("handing_over"), ...Array(3).fill("open")]);
    net.boot();
    net.proxy.cut();
    await eventually("all are back", () => downs.length === 12);
    assertEquals(downs.slice(6).sort(), [...Array(3).fill("open"), ...Array(3).fill("reconnecting")]);
  }
  running = false;
  const counts = await within("all acks", Promise.all(streams));
  const total = counts.reduce((sum, count) => sum + count);
  await eventually("all came", () => logs.every(({ messages }) => messages.length >= total));
  for (const { bodies, seqs } of logs) {
    const all = seqs("lobby");
    assertEquals(all, Array.from(all, (_, i) => all[0]! + i), "every seq once, in order");
    counts.forEach((count, sender) => {
      const own = bodies().filter((body) => body.startsWith(`${sender}:`));
      assertEquals(own, Array.from({ length: count }, (_, i) => `${sender}:${i}`));
    });
  }
  for (const isolate of net.isolates) assertEquals(isolate.errors, []);
});

Deno.test("the outbox survives a reload: the next client on the same storage sends what the last one could not", async () => {
  await using net = new ChatNet();
  const bob = await opened(net.client(2, { room: "lobby" }));
  const heard = record(bob);
  const storage = memoryStorage();
  net.proxy.target = undefined;
  const before = net.client(1, { room: "lobby", storage });
  const sent = [before.send({ body: "1", client_id: "a" }), before.send({ body: "2", client_id: "b" })];
  before.close();
  for (const promise of sent) assertEquals((await assertRejects(() => promise, ChatError)).code, "closed");
  net.proxy.target = net.isolate.url;
  const after = net.client(1, { room: "lobby", storage });
  assertEquals(after.pending.map(({ client_id }) => client_id), ["a", "b"]);
  await after.send({ body: "3" });
  await eventually("all came", () => heard.bodies().length === 3);
  assertEquals(heard.bodies(), ["1", "2", "3"]);
  assertEquals([after.pending, storage.load()], [[], []]);
});

Deno.test("connectChat() refuses an address that is none", () => {
  for (const url of ["", "nonsense", "ftp://example.com/chat"]) {
    let thrown: unknown;
    try {
      connectChat({ url, token: "1" });
    } catch (error) {
      thrown = error;
    }
    assert(thrown instanceof TypeError, url);
  }
});

function next<T extends keyof ChatEvents>(chat: Parameters<typeof record>[0], name: T): Promise<ChatEvents[T]> {
  return nextWhere(chat, name, () => true);
}

function nextWhere<T extends keyof ChatEvents>(
  chat: Parameters<typeof record>[0],
  name: T,
  matches: (event: ChatEvents[T]) => boolean,
): Promise<ChatEvents[T]> {
  return within(
    `an event "${name}"`,
    new Promise((resolve) => {
      const stop = chat.on(name, (event) => {
        if (!matches(event)) return;
        stop();
        resolve(event);
      });
    }),
  );
}
