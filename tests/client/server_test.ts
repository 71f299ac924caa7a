import { assert, assertEquals, assertRejects } from "@std/assert";
import { ChatError } from "../../shared/client/chat_error.ts";
import type { Chat } from "../../shared/client/chat.ts";
import { eventually } from "../support/eventually.ts";
import { userId } from "../support/serve_chat.ts";
import { ChatNet, opened, record } from "./chat_net.ts";

Deno.test("the server's refusals stop the client, with its own words", async () => {
  await using net = new ChatNet({ createRooms: false });
  await net.store.createRoom("private", "den", undefined, [userId(1)]);
  const cases = [
    { options: { room: "den" }, user: 2, code: "room_not_found", closeCode: 4404 },
    { options: { room: "nowhere" }, user: 1, code: "room_not_found", closeCode: 4404 },
    { options: { room: "bad room" }, user: 1, code: "bad_request", closeCode: 4400 },
    { options: { room: "den", token: "forged" }, user: 1, code: "unauthorized", closeCode: 4401 },
    { options: { room: "den", token: () => "forged" }, user: 1, code: "unauthorized", closeCode: 4401 },
  ];
  for (const { options, user, code, closeCode } of cases) {
    const chat = net.client(user, options);
    const error = await assertRejects(() => chat.send({ body: "hi" }), ChatError);
    assertEquals([error.code, error.closeCode, chat.status.status], [code, closeCode, "closed"]);
  }
});

Deno.test("one who is removed from a room hears why, and stops", async () => {
  await using net = new ChatNet();
  await net.store.createRoom("private", "den", undefined, [userId(1), userId(2)]);
  const chat = await opened(net.client(2, { room: "den" }));
  const removal = await net.store.removeMember("den", userId(2));
  assert(removal.ok);
  await eventually("the client stops", () => chat.status.status === "closed");
  const { status } = chat;
  assertEquals(status.status === "closed" && status.error?.code, "forbidden");
});

Deno.test("a token that expires soon is replaced on the connection; one that has expired, by the next", async () => {
  await using net = new ChatNet();
  const reasons: string[] = [];
  const lives: Record<string, string> = { initial: "1:30", refresh: "1:1", expired: "1" };
  const chat = net.client(1, { room: "lobby", token: (reason) => lives[reasons.push(reason) && reason] ?? "1:0" });
  const refreshed = new Promise((resolve) => chat.on("refreshed", resolve));
  await opened(chat);
  await refreshed;
  await eventually("a token expires", () => reasons.includes("expired"));
  await eventually("the client is back", () => chat.status.status === "open");
  await chat.send({ body: "still here" });
  assertEquals(reasons.filter((reason, i) => reason !== reasons[i - 1]), ["initial", "refresh", "expired"]);
});

Deno.test("a network that lets nothing through any more is found, and what was on its way goes again", async () => {
  await using net = new ChatNet();
  const bob = await opened(net.client(2, { room: "lobby" }));
  const heard = record(bob);
  const network = { events: new EventTarget(), isVisible: () => true };
  const ann = await opened(net.client(1, { room: "lobby", network, pongTimeoutMs: 100 }));
  net.proxy.freeze();
  const sent = ann.send({ body: "hello?" });
  network.events.dispatchEvent(new Event("offline"));
  await sent;
  bob.close();
  const back = await opened(net.client(2, { room: "lobby" }));
  assertEquals((await back.history()).messages.map(({ body }) => body), ["hello?"]);
  assertEquals(heard.bodies(), []);
});

Deno.test("the inbox misses nothing while it is away: in rooms it knew, in new ones, and in direct ones", async () => {
  await using net = new ChatNet();
  await net.store.createRoom("private", "den", undefined, [userId(1), userId(2)]);
  const ann = await opened(net.client(1, { room: "den" }));
  const bob = await opened(net.client(2));
  const heard = record(bob);
  await ann.send({ body: "den 1" });
  await ann.dm({ to: userId(2), body: "dm 1" });
  await eventually("bob hears", () => heard.messages.length === 2);
  await isAway(net, bob, async () => {
    const away = await opened(net.client(1, { url: direct(net) }));
    for (let i = 2; i <= 30; i++) await away.send({ room: "den", body: `den ${i}` });
    await away.dm({ to: userId(2), body: "dm 2" });
    await net.store.createRoom("private", "new", undefined, [userId(1), userId(2)]);
    await away.send({ room: "new", body: "new 1" });
  });
  await eventually("bob has all", () => heard.messages.length >= 33);
  const of = (name: string) => heard.bodies().filter((body) => body.startsWith(name));
  assertEquals(of("den"), Array.from({ length: 30 }, (_, i) => `den ${i + 1}`));
  assertEquals([of("dm"), of("new")], [["dm 1", "dm 2"], ["new 1"]]);
});

Deno.test("direct messages beside a room, and rooms joined beside it, are caught up too", async () => {
  await using net = new ChatNet();
  const ann = await opened(net.client(1, { room: "lobby" }));
  const bob = await opened(net.client(2, { room: "lobby" }));
  const heard = record(bob);
  await ann.join("den");
  await bob.join("den");
  await ann.send({ room: "den", body: "den 1" });
  await ann.dm({ to: userId(2), body: "dm 1" });
  await eventually("bob hears", () => heard.messages.length === 2);
  await isAway(net, bob, async () => {
    const away = await opened(net.client(1, { url: direct(net) }));
    for (const i of [2, 3]) {
      await away.send({ room: "den", body: `den ${i}` });
      await away.dm({ to: userId(2), body: `dm ${i}` });
    }
  });
  await eventually("bob has all", () => heard.messages.length >= 6);
  await ann.dm({ to: userId(2), body: "dm 4" });
  await eventually("bob has the last", () => heard.messages.length >= 7);
  const of = (name: string) => heard.bodies().filter((body) => body.startsWith(name));
  assertEquals([of("den"), of("dm")], [["den 1", "den 2", "den 3"], ["dm 1", "dm 2", "dm 3", "dm 4"]]);
});

for (const where of [undefined, "lobby"]) {
  const place = where === undefined ? "in the inbox" : "beside a room";
  Deno.test(`killed before it heard anything of a direct room, a client gets what came meanwhile: ${place}`, async () => {
    await using net = new ChatNet();
    const [ann, carl] = await Promise.all([1, 3].map((user) => opened(net.client(user, { url: direct(net) }))));
    await ann!.dm({ to: userId(2), body: "before bob came" });
    const bob = await opened(net.client(2, { room: where }));
    const heard = record(bob);
    const joined: string[] = [];
    bob.on("joined", ({ room }) => joined.push(room));
    await isAway(net, bob, async () => {
      await ann!.dm({ to: userId(2), body: "while away" });
      await carl!.dm({ to: userId(2), body: "the first of this room" });
    });
    await ann!.dm({ to: userId(2), body: "after" });
    await carl!.dm({ to: userId(2), body: "the second" });
    await eventually("bob has all", () => heard.messages.length >= 4);
    const from = (user: number) => heard.messages.filter(({ sender }) => sender.id === userId(user));
    assertEquals(from(1).map(({ body }) => body), ["while away", "after"]);
    assertEquals(from(3).map(({ body }) => body), ["the first of this room", "the second"]);
    assertEquals(joined.length, 2);
  });
}

Deno.test("who is removed from a room while he is away hears that it was left, and of no error", async () => {
  await using net = new ChatNet();
  await net.store.createRoom("private", "den", undefined, [userId(1), userId(2)]);
  const bob = await opened(net.client(2));
  const left: string[] = [];
  const errors: unknown[] = [];
  bob.on("left", ({ room }) => left.push(room));
  bob.on("error", (error) => errors.push(error));
  await isAway(net, bob, async () => void await net.store.removeMember("den", userId(2)));
  await bob.unreadCount();
  assertEquals([left, errors], [["den"], []]);
});

Deno.test("an inbox that joined a room is seen in it again after a kill", async () => {
  await using net = new ChatNet();
  const ann = await opened(net.client(1, { url: direct(net), room: "lobby" }));
  const bob = await opened(net.client(2));
  const heard = record(bob);
  await bob.join("lobby");
  await isAway(net, bob, async () => void await ann.send({ body: "while away" }));
  await bob.send({ room: "lobby", body: "here" });
  const isSeen = async () => (await ann.join("lobby")).members?.some(({ user_id }) => user_id === userId(2));
  assert(await isSeen());
  await eventually("bob has all", () => heard.messages.length >= 2);
  assertEquals(heard.bodies(), ["while away", "here"]);
});

Deno.test("the first connection of an inbox replays nothing of what was said before it", async () => {
  await using net = new ChatNet();
  await net.store.createRoom("private", "den", undefined, [userId(1), userId(2)]);
  const ann = await opened(net.client(1, { room: "den" }));
  for (let i = 0; i < 5; i++) await ann.send({ body: `old ${i}` });
  const bob = net.client(2);
  const heard = record(bob);
  await opened(bob);
  await bob.unreadCount();
  await ann.send({ body: "new" });
  await eventually("bob has it", () => heard.messages.length > 0);
  assertEquals(heard.bodies(), ["new"]);
});

Deno.test("an inbox hears no more of a room that it left, over head checks and kills, until it joins it", async () => {
  await using net = new ChatNet({ headCheckMs: 20 });
  await net.store.createRoom("private", "den", undefined, [userId(1), userId(2)]);
  const ann = await opened(net.client(1, { url: direct(net), room: "den" }));
  const bob = await opened(net.client(2));
  const heard = record(bob);
  await ann.send({ body: "1" });
  await eventually("bob has it", () => heard.messages.length > 0);
  await bob.leave("den");
  await isAway(net, bob, async () => void await ann.send({ body: "2" }));
  await ann.send({ body: "3" });
  await new Promise((resolve) => setTimeout(resolve, 100));
  await bob.join("den");
  await ann.send({ body: "4" });
  await eventually("bob hears again", () => heard.bodies().includes("4"));
  assertEquals(heard.bodies(), ["1", "4"]);
});

Deno.test("a network so slow that the server does not wait for what it resumes costs nothing but time", async () => {
  await using net = new ChatNet();
  await net.store.createRoom("private", "den", undefined, [userId(1), userId(2)]);
  const ann = await opened(net.client(1, { url: direct(net), room: "den" }));
  const bob = await opened(net.client(2));
  const heard = record(bob);
  const resyncs: unknown[] = [];
  bob.on("resync", (frame) => resyncs.push(frame));
  net.proxy.lagMs = 600;
  await isAway(net, bob, async () => void await ann.send({ body: "while away" }));
  await ann.send({ body: "before the resume arrives" });
  await eventually("bob has both", () => heard.messages.length >= 2);
  await ann.send({ body: "after" });
  await eventually("bob has the last", () => heard.messages.length >= 3);
  assertEquals(heard.bodies(), ["while away", "before the resume arrives", "after"]);
  assertEquals(resyncs, []);
});

Deno.test("who was away for too long hears a resync, and reads the rest in the history", async () => {
  await using net = new ChatNet({ limits: { maxReplayEvents: 5 } });
  const bob = await opened(net.client(2, { room: "lobby" }));
  const heard = record(bob);
  const resynced = new Promise<string[]>((resolve) => {
    bob.on("resync", async () => {
      const { messages } = await bob.history({ limit: 200 });
      resolve(messages.map(({ body }) => body));
    });
  });
  await isAway(net, bob, async () => {
    const away = await opened(net.client(1, { url: direct(net), room: "lobby" }));
    for (let i = 1; i <= 10; i++) await away.send({ body: String(i) });
  });
  assertEquals(await resynced, Array.from({ length: 10 }, (_, i) => String(i + 1)));
  await bob.send({ body: "on" });
  await eventually("bob goes on", () => heard.messages.length > 0);
  assertEquals(heard.bodies(), ["on"]);
});

Deno.test("a burst goes out no faster than the server allows: nothing is refused", async () => {
  await using net = new ChatNet({ sockets: { messagesPerSecond: 200, messageBurst: 200 } });
  const ann = await opened(net.client(1, { room: "lobby", outbox: { maxUnderWay: 1000 } }));
  const errors: string[] = [];
  ann.on("error", ({ code }) => errors.push(code));
  const heard = record(ann);
  await Promise.all(Array.from({ length: 400 }, (_, i) => ann.send({ body: String(i) })));
  await eventually("all came", () => heard.messages.length === 400);
  assertEquals(heard.bodies(), Array.from({ length: 400 }, (_, i) => String(i)));
  assertEquals(errors, []);
});

/** The address of an isolate, past the proxy: for who is not cut off. */
function direct(net: ChatNet): string {
  return `${net.isolate.url}/chat`;
}

/** Cuts a client off, does something in the meantime, and lets it come back. */
async function isAway(net: ChatNet, chat: Chat, meanwhile: () => Promise<void>): Promise<void> {
  const { target } = net.proxy;
  net.proxy.target = undefined;
  net.proxy.cut();
  await eventually("the client is away", () => chat.status.status === "reconnecting", { everyMs: 2 });
  await meanwhile();
  net.proxy.target = target;
  await eventually("the client is back", () => chat.status.status === "open", { everyMs: 2 });
}
