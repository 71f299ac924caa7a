import { assert, assertEquals, assertRejects } from "@std/assert";
import { ChatError } from "../../shared/client/chat_error.ts";
import type { ChatStatus } from "../../shared/client/link_keeper.ts";
import { memoryStorage, type OutboxStorage } from "../../shared/client/outbox_storage.ts";
import { record } from "./chat_net.ts";
import { enter, fakeNet, message } from "./fake_server.ts";

Deno.test("events: doubles are dropped, batches unpacked, and a gap is filled by joining again from before it", async () => {
  using net = await fakeNet();
  const heard = record(net.chat);
  const { socket } = net;
  socket.greet(10);
  socket.say(message(10), message(11), message(11), { type: "batch", events: [message(12), message(13), message(12)] });
  assertEquals(heard.seqs("lobby"), [11, 12, 13]);
  socket.say(message(15), message(16));
  assertEquals(socket.sent.slice(-2), [
    { type: "leave", room: "lobby", ref: "rooms 1" },
    { type: "join", room: "lobby", since: 13, epoch: "e1", ref: "rooms 1" },
  ]);
  socket.say({ type: "left", room: "lobby", ref: "rooms 1" }, message(17));
  const joined = { type: "joined", room: "lobby", seq: 17, epoch: "e1", resumed: false, members: [] };
  // Neither an older answer nor news of the room ends the wait for the answer.
  socket.say({ ...joined, ref: "join 7" }, message(17), { type: "resync", room: "lobby", reason: "too_old" });
  socket.say({ ...joined, resumed: true, ref: "rooms 1" });
  socket.say({ type: "batch", events: [14, 15, 16, 17].map((seq) => message(seq)) }, message(18));
  assertEquals(heard.seqs("lobby"), [11, 12, 13, 14, 15, 16, 17, 18]);
  assertEquals(socket.sentOf("join").length, 1);
});

Deno.test("a gap whose room cannot be joined any more is the end of that room, and nothing else", async () => {
  using net = await fakeNet();
  const left: string[] = [];
  net.chat.on("left", ({ room }) => left.push(room));
  net.socket.greet(0);
  net.socket.say({ type: "joined", room: "den", seq: 3, epoch: "d", resumed: false, members: [] }, message(9, "den"));
  const [join] = net.socket.sentOf("join");
  net.socket.say({ type: "error", code: "room_not_found", message: "gone", ref: join!.ref });
  assertEquals([left, net.chat.status.status], [["den"], "open"]);
});

Deno.test("a gap that is not filled since the server did not read the join is filled by the next connection", async () => {
  using net = await fakeNet();
  net.socket.greet(0);
  net.socket.say(message(3), { type: "error", code: "rate_limited", message: "", retry_after_ms: 10 });
  assertEquals([net.socket.closedWith, net.chat.status.status], [1000, "reconnecting"]);
  await net.pass(1000);
  assertEquals(net.socket.query.get("since"), "0");
});

Deno.test("a room that the server enters further on than this client stands is joined again from there", async () => {
  using net = await fakeNet();
  net.socket.greet(0);
  net.socket.say(enter("den", 3), message(4, "den"), enter("den", 9));
  assertEquals(net.socket.sentOf("join"), [], "what is live already comes all the same");
  net.socket.drop(1006);
  await net.pass(500);
  net.socket.greet(0, { resumed: true });
  net.socket.say({ type: "left", room: "den" }, enter("den", 6), message(6, "news"), enter("news", 9));
  assertEquals(net.socket.sentOf("join").map(({ room, since }) => [room, since]), [["news", 6]]);
});

Deno.test("events of a kind that came later count in the log, and are no gap", async () => {
  using net = await fakeNet();
  const heard = record(net.chat);
  net.socket.greet(0);
  const poll = (seq: number) => ({ type: "poll_opened", room: "lobby", seq });
  net.socket.say(message(1), poll(2), message(3), { type: "batch", events: [poll(4), message(5)] });
  assertEquals([heard.seqs("lobby"), net.socket.sent], [[1, 3, 5], []]);
});

Deno.test("what cannot be read is passed over", async () => {
  using net = await fakeNet();
  const heard = record(net.chat);
  net.socket.greet(0);
  net.socket.say("", "{", "null", "7", "[]", `"text"`, `{"type":7}`, { type: "news_of_tomorrow", x: 1 }, message(1));
  assertEquals([heard.seqs("lobby"), net.chat.status.status], [[1], "open"]);
});

Deno.test("after a loss: the next connection resumes where the last one stood, with backoff that grows and begins anew", async () => {
  using net = await fakeNet();
  const delays: number[] = [];
  net.chat.on("status", (status) => status.status === "reconnecting" && delays.push(status.delayMs));
  net.socket.greet(4);
  net.socket.say(message(5));
  net.socket.drop(1006);
  for (const delay of [500, 1000, 2000]) {
    await net.pass(delay);
    net.socket.drop(1006);
  }
  assertEquals(delays, [500, 1000, 2000, 4000]);
  await net.pass(4000);
  const { query } = net.socket;
  assertEquals([query.get("since"), query.get("epoch"), query.get("batch")], ["5", "e1", "1"]);
  assertEquals(query.get("session"), net.chat.session);
  net.socket.greet(9, { resumed: true });
  await net.pass(5000);
  net.socket.drop(1012);
  assertEquals(delays.at(-1), 250);
  assertEquals(net.reasons, ["initial", ...Array(4).fill("reconnect")]);
});

Deno.test("a dial that hangs, a server that says nothing, and a token that does not come all end in time", async () => {
  for (const token of [() => "t", () => new Promise<string>(() => {})]) {
    using net = await fakeNet({ token, connectTimeoutMs: 2000 });
    await net.pass(1999);
    assertEquals(net.chat.status.status, "connecting");
    await net.pass(1);
    assertEquals(net.chat.status.status, "reconnecting");
    if (net.sockets.length > 0) assertEquals(net.socket.closedWith, 1000);
  }
});

Deno.test("a token that cannot be fetched is asked for again, and the reason is told", async () => {
  let fails = true;
  using net = await fakeNet({ token: () => fails ? Promise.reject(new Error("offline")) : "t" });
  const status = net.chat.status;
  if (status.status !== "reconnecting") throw new Error(`The client is ${status.status}`);
  assertEquals([status.error.code, (status.error.cause as Error).message], ["token_failed", "offline"]);
  fails = false;
  await net.pass(500);
  assertEquals(net.socket.query.get("jwt"), "t");
});

Deno.test("4401: a fresh token is fetched, and the second refusal in a row stops", async () => {
  using net = await fakeNet();
  const waiting = net.chat.send({ body: "hi" });
  refuse(net.socket, 4401, "token_expired");
  await net.pass(1000);
  assertEquals([net.reasons, net.socket.query.get("jwt")], [["initial", "expired"], "token-2"]);
  net.socket.greet(0);
  net.socket.ack();
  await waiting;
  refuse(net.socket, 4401, "token_expired");
  await net.pass(1000);
  assertEquals(net.chat.status.status, "reconnecting");
  refuse(net.socket, 4401, "unauthorized");
  assertStopped(net.chat.status, "unauthorized", 4401);
  assertEquals(net.reasons, ["initial", "expired", "expired"]);
});

Deno.test("the reason of a loss is what the server said last, and nothing older", async () => {
  using net = await fakeNet();
  const codes: string[] = [];
  net.chat.on("status", (status) => status.status === "reconnecting" && codes.push(status.error.code));
  net.socket.greet(0);
  net.socket.say({ type: "error", code: "slow_reader", message: "" });
  net.socket.drop(1013);
  await net.pass(1000);
  net.socket.greet(0, { resumed: true });
  net.socket.say({ type: "error", code: "bad_frame", message: "" }, message(1));
  net.socket.drop(1006);
  assertEquals(codes, ["slow_reader", "lost"]);
});

Deno.test("4401 stops at once where the token is a mere string", async () => {
  using net = await fakeNet({ token: "fixed" });
  refuse(net.socket, 4401, "token_expired");
  assertStopped(net.chat.status, "token_expired", 4401);
});

for (const [closeCode, code] of [[4403, "forbidden"], [4404, "room_not_found"], [1009, "too_large"]] as const) {
  Deno.test(`${closeCode} stops: what waits rejects with the reason, and so does what is sent later`, async () => {
    using net = await fakeNet();
    const [waiting, asked] = [net.chat.send({ body: "hi" }), net.chat.history()];
    refuse(net.socket, closeCode, code);
    assertStopped(net.chat.status, code, closeCode);
    for (const promise of [waiting, asked, net.chat.send({ body: "late" }), net.chat.edit("m", "late")]) {
      assertEquals((await assertRejects(() => promise, ChatError)).code, code);
    }
    assertEquals(net.clock.countTimers(), 0);
  });
}

Deno.test("1000 from the server is the end, without an error", async () => {
  using net = await fakeNet();
  net.socket.greet(0);
  net.socket.drop(1000);
  assertEquals(net.chat.status, { status: "closed" });
});

Deno.test("hand-over: the next connection is made while the old one goes on, and what is under way is answered there", async () => {
  using net = await fakeNet();
  const heard = record(net.chat);
  const statuses: string[] = [];
  net.chat.on("status", ({ status }) => statuses.push(status));
  const old = net.socket;
  old.greet(0);
  old.say({ type: "reconnect", after_ms: 300, reason: "wall_clock" });
  await net.pass(299);
  assertEquals(net.sockets.length, 1);
  await net.pass(1);
  const next = net.socket;
  assertEquals([net.reasons.at(-1), next.query.get("since")], ["hand_over", "0"]);
  const first = net.chat.send({ body: "1", client_id: "a" });
  const second = net.chat.send({ body: "2", client_id: "b" });
  old.say(message(1), message(2));
  next.greet(1, { resumed: true });
  next.say(message(1));
  assertEquals([old.sentOf("chat").length, next.sentOf("chat").length, old.closedWith], [1, 0, undefined]);
  old.say(message(3));
  old.ack("a");
  assertEquals([old.closedWith, next.sentOf("chat").map(({ client_id }) => client_id)], [1000, ["b"]]);
  next.say(message(2), message(3), message(4));
  next.ack("b");
  await Promise.all([first, second]);
  assertEquals(heard.seqs("lobby"), [1, 2, 3, 4]);
  assertEquals(statuses, ["open", "handing_over", "open"]);
});

Deno.test("hand-over: an old connection with nothing under way is closed at once, and asked for another only once", async () => {
  using net = await fakeNet();
  const [old] = net.sockets;
  const reconnect = { type: "reconnect", after_ms: 10, reason: "wall_clock" };
  old!.greet(0);
  old!.say(reconnect, reconnect);
  await net.pass(10);
  old!.say(reconnect);
  await net.pass(10);
  net.socket.greet(0, { resumed: true });
  assertEquals([net.sockets.length, old!.closedWith], [2, 1000]);
});

Deno.test("hand-over: a second word hurries the first, and each counts from when it came", async () => {
  using net = await fakeNet();
  const old = net.socket;
  old.greet(0);
  old.say({ type: "reconnect", after_ms: 10_000, reason: "wall_clock" });
  await net.pass(100);
  old.say({ type: "reconnect", after_ms: 300, reason: "memory" });
  await net.pass(299);
  assertEquals(net.sockets.length, 1);
  await net.pass(1);
  assertEquals([net.sockets.length, net.reasons.at(-1)], [2, "hand_over"]);
  await net.pass(10_000);
  assertEquals(net.sockets.length, 2);
});

Deno.test("hand-over: other rooms are heard on the old connection until the new one is in them", async () => {
  using net = await fakeNet();
  const heard = record(net.chat);
  const old = net.socket;
  old.greet(0);
  const joined = net.chat.join("den");
  old.say(enter("den", 5, { ref: old.sent[0]!.ref }));
  await joined;
  old.say({ type: "reconnect", after_ms: 0, reason: "wall_clock" });
  await net.pass(0);
  net.socket.greet(0, { resumed: true });
  assertEquals(old.closedWith, undefined);
  old.say(message(6, "den"));
  assertEquals(heard.seqs("den"), [6]);
  const { since, ref } = net.socket.sentOf("join")[0]!;
  assertEquals(since, 5);
  net.socket.say(enter("den", 6, { resumed: true, ref }));
  assertEquals(old.closedWith, 1000);
  net.socket.say(message(6, "den"), message(7, "den"));
  assertEquals(heard.seqs("den"), [6, 7]);
});

Deno.test("hand-over: a question that is under way is answered on the old connection; about rooms, asked again on the new one", async () => {
  using net = await fakeNet();
  const [old] = net.sockets;
  old!.greet(0);
  const [page, joined] = [net.chat.history(), net.chat.join("den")];
  old!.say({ type: "reconnect", after_ms: 0, reason: "wall_clock" });
  await net.pass(0);
  net.socket.greet(0, { resumed: true });
  old!.say({ type: "history", room: "lobby", messages: [], more: false, ref: old!.sent[0]!.ref });
  await page;
  assertEquals([net.socket.sentOf("join"), old!.closedWith], [[], undefined]);
  old!.say(enter("den", 1, { ref: old!.sent[1]!.ref }));
  assertEquals([net.socket.sentOf("join"), old!.closedWith], [[{ type: "join", room: "den", ref: "join 2" }], 1000]);
  net.socket.say(enter("den", 2, { ref: "join 2" }));
  assertEquals((await joined).seq, 2);
});

Deno.test("hand-over: an old connection that never answers is left after a while, and its message goes again", async () => {
  using net = await fakeNet();
  const old = net.socket;
  old.greet(0);
  const sent = net.chat.send({ body: "1", client_id: "a" });
  old.say({ type: "reconnect", after_ms: 0, reason: "cpu" });
  await net.pass(0);
  net.socket.greet(0, { resumed: true });
  assertEquals(net.socket.sentOf("chat"), []);
  await net.pass(3000);
  assertEquals([old.closedWith, net.socket.sentOf("chat").length], [1000, 1]);
  net.socket.ack("a");
  await sent;
});

Deno.test("hand-over: while the next one fails the old one goes on, and its end makes it a loss", async () => {
  using net = await fakeNet();
  const statuses: string[] = [];
  net.chat.on("status", ({ status }) => statuses.push(status));
  const old = net.socket;
  old.greet(0);
  old.say({ type: "reconnect", after_ms: 0, reason: "wall_clock" });
  await net.pass(0);
  refuse(net.socket, 1013, "isolate_draining");
  const sent = net.chat.send({ body: "still here" });
  old.ack();
  await sent;
  await net.pass(500);
  assertEquals(net.sockets.length, 3);
  old.drop(1012);
  await net.pass(1000);
  assertEquals(net.sockets.length, 3, "the hand-over that is under way is the next try");
  net.socket.greet(0, { resumed: true });
  assertEquals(statuses, ["open", "handing_over", "handing_over", "reconnecting", "open"]);
});

Deno.test("hand-over: a next one that is refused for good leaves the old one as it is, until that ends", async () => {
  using net = await fakeNet();
  const old = net.socket;
  old.greet(0);
  old.say({ type: "reconnect", after_ms: 0, reason: "wall_clock" });
  await net.pass(0);
  refuse(net.socket, 4403, "forbidden");
  assertEquals(net.chat.status.status, "open");
  await net.pass(20_000);
  assertEquals(net.sockets.length, 2);
  old.drop(1012);
  await net.pass(500);
  refuse(net.socket, 4403, "forbidden");
  assertStopped(net.chat.status, "forbidden", 4403);
});

Deno.test("outbox: one message is under way at a time, and goes again with its client_id after every loss", async () => {
  using net = await fakeNet();
  const acks = ["a", "b", "c"].map((client_id) => net.chat.send({ body: client_id, client_id }));
  net.socket.greet(0);
  assertEquals(net.socket.sentOf("chat").map(({ client_id }) => client_id), ["a"]);
  net.socket.ack("a");
  net.socket.drop(1006);
  await net.pass(1000);
  net.socket.greet(1, { resumed: true });
  net.socket.ack("b");
  net.socket.ack("b");
  net.socket.ack("c");
  assertEquals((await Promise.all(acks)).map(({ client_id }) => client_id), ["a", "b", "c"]);
  assertEquals(net.socket.sentOf("chat").map(({ client_id }) => client_id), ["b", "c"]);
});

Deno.test("outbox: what the server cannot take for a moment waits, in order; what it refuses for good rejects", async () => {
  using net = await fakeNet();
  const refused: string[] = [];
  net.chat.on("refused", ({ frame, error }) => refused.push(`${frame.client_id} ${error.code}`));
  const [a, b] = ["a", "b"].map((client_id) => net.chat.send({ body: client_id, client_id })) as [
    Promise<unknown>,
    Promise<unknown>,
  ];
  const { socket } = net;
  socket.greet(0);
  const sent = () => socket.sentOf("chat").map(({ client_id }) => client_id).join("");
  socket.say({ type: "error", code: "store_unavailable", message: "down", ref: "a" });
  await net.pass(249);
  const c = net.chat.send({ body: "c", client_id: "c" });
  assertEquals(sent(), "a");
  await net.pass(1);
  socket.say({ type: "error", code: "overloaded", message: "busy", ref: "a", retry_after_ms: 4000 });
  await net.pass(3999);
  assertEquals(sent(), "aa");
  await net.pass(1);
  socket.say({ type: "error", code: "forbidden", message: "not yours", ref: "a" });
  assertEquals([sent(), refused], ["aaab", ["a forbidden"]]);
  assertEquals((await assertRejects(() => a, ChatError, "not yours")).isRetryable, false);
  // Over the rate: nobody says which frame was not read.
  socket.say({ type: "error", code: "rate_limited", message: "slow down", retry_after_ms: 100 });
  await net.pass(99);
  assertEquals(sent(), "aaab");
  await net.pass(1);
  assertEquals(sent(), "aaabb");
  socket.ack("b");
  await b;
  // What went well begins the waits anew.
  socket.say({ type: "error", code: "internal", message: "", ref: "c" });
  await net.pass(250);
  assertEquals(sent(), "aaabbcc");
  socket.ack("c");
  await c;
  assertEquals(net.chat.pending, []);
});

Deno.test("outbox: it is bounded in messages and characters, and says so", async () => {
  using net = await fakeNet({ outbox: { maxMessages: 2, maxChars: 200 } });
  net.chat.send({ body: "1" });
  const big = await assertRejects(() => net.chat.send({ body: "x".repeat(200) }), ChatError, "200 characters");
  net.chat.send({ body: "2" });
  const many = await assertRejects(() => net.chat.send({ body: "3" }), ChatError, "2 messages wait");
  assertEquals([big.code, many.code, many.isRetryable], ["outbox_full", "outbox_full", true]);
  net.socket.greet(0);
  net.socket.ack();
  net.chat.send({ body: "x".repeat(10) });
  assertEquals(net.chat.pending.map(({ body }) => body), ["2", "x".repeat(10)]);
});

Deno.test("outbox: a message that no frame can hold is refused, and the next one goes", async () => {
  using net = await fakeNet();
  const big = net.chat.send({ body: "x", data: "é".repeat(500_000) });
  const small = net.chat.send({ body: "y" });
  net.socket.greet(0);
  assertEquals((await assertRejects(() => big, ChatError)).code, "too_large");
  net.socket.ack();
  await small;
});

Deno.test("outbox: a storage that cannot keep a message refuses it, and one that cannot remove does no harm", async () => {
  const broken: OutboxStorage = {
    ...memoryStorage(),
    put: ({ frame }) => {
      if (frame.body === "no") throw new Error("quota");
    },
    remove: () => {
      throw new Error("gone");
    },
  };
  using net = await fakeNet({ storage: broken });
  net.socket.greet(0);
  assertEquals((await assertRejects(() => net.chat.send({ body: "no" }), ChatError)).code, "storage_failed");
  const sent = net.chat.send({ body: "yes" });
  net.socket.ack();
  await sent;
});

Deno.test("outbox: the order outlives any number of clients", async () => {
  const entries = memoryStorage();
  const storage = { ...entries, load: () => entries.load().toReversed() };
  for (const body of ["1", "2", "3"]) {
    using net = await fakeNet({ storage });
    net.chat.send({ body });
    net.chat.send({ body: `${body}b` });
  }
  using net = await fakeNet({ storage });
  assertEquals(net.chat.pending.map(({ body }) => body), ["1", "1b", "2", "2b", "3", "3b"]);
});

Deno.test("outbox: a client_id that waits already is the same message", async () => {
  using net = await fakeNet();
  const [one, two] = [1, 2].map(() => net.chat.send({ body: "hi", client_id: "a" }));
  net.socket.greet(0);
  net.socket.ack("a");
  assertEquals(await one, await two);
  assertEquals(net.socket.sentOf("chat").length, 1);
});

Deno.test("requests: told apart by their refs, asked again after a loss; what is not answered in time is a timeout", async () => {
  using net = await fakeNet({ requestTimeoutMs: 10_000 });
  const [newest, older] = [net.chat.history(), net.chat.history({ before: 5 })];
  net.socket.greet(9);
  net.socket.drop(1006);
  await net.pass(500);
  net.socket.greet(9, { resumed: true });
  const asked = net.socket.sentOf("history");
  assertEquals(asked.map(({ before, ref }) => [before, ref]), [[undefined, "history 1"], [5, "history 2"]]);
  const page = { type: "history", room: "lobby", messages: [], more: true };
  net.socket.say({ ...page, ref: "history 2" }, { ...page, ref: "history 2" }, page, { ...page, ref: "history 3" });
  assertEquals((await older).ref, "history 2");
  await net.pass(10_000);
  assertEquals((await assertRejects(() => newest, ChatError)).code, "timeout");
  const count = net.chat.unreadCount();
  net.socket.say({ type: "unread_count", count: 7 });
  const ref = net.socket.sentOf("get_unread_count")[0]!.ref;
  net.socket.say({ type: "error", code: "store_unavailable", message: "down", ref });
  assertEquals((await assertRejects(() => count, ChatError, "down")).isRetryable, true);
});

Deno.test("requests: no more are under way at once than a server takes, in order", async () => {
  using net = await fakeNet();
  const counts = Array.from({ length: 20 }, (_, i) => net.chat.unreadCount(`room${i}`));
  net.socket.greet(0);
  const asked = net.socket.sentOf("get_unread_count");
  const refs = () => net.socket.sentOf("get_unread_count").map(({ ref }) => ref);
  assertEquals(asked.length, 8);
  for (let i = 0; i < 20; i++) net.socket.say({ type: "unread_count", count: i, ref: refs()[i] });
  assertEquals(await Promise.all(counts), Array.from({ length: 20 }, (_, i) => i));
});

Deno.test("over the rate: however many refusals say so, what has no answer goes once more, when it may", async () => {
  using net = await fakeNet();
  for (let i = 0; i < 8; i++) net.chat.history({ before: i });
  net.chat.send({ body: "hi", client_id: "a" });
  const { socket } = net;
  socket.greet(0, { limits: { max_frame_bytes: 1_000_000, messages_per_second: 40, bytes_per_second: 1_000_000 } });
  const sent = () => [socket.sentOf("history").length, socket.sentOf("chat").length];
  assertEquals(sent(), [8, 1]);
  const refusal = { type: "error", code: "rate_limited", message: "slow down", retry_after_ms: 100 };
  for (let i = 0; i < 30; i++) socket.say(refusal);
  await net.pass(99);
  assertEquals(sent(), [8, 1]);
  // More come while some have gone again, and others wait for the rate.
  for (let i = 0; i < 400; i++) net.chat.typing();
  await net.pass(1);
  assertEquals(sent(), [16, 2]);
  for (let i = 0; i < 30; i++) socket.say(refusal);
  await net.pass(20_000);
  assertEquals(sent(), [24, 3]);
  assertEquals(
    socket.sentOf("history").slice(-8).map(({ ref }) => ref),
    Array.from({ length: 8 }, (_, i) => `history ${i + 1}`),
  );
});

Deno.test("a promise that nobody waits for brings nobody down", async () => {
  const { chat, pass } = await fakeNet({ token: () => Promise.reject(new Error("offline")) });
  for (const ask of ["join", "leave", "unreadCount"] as const) chat[ask]("den");
  chat.refresh();
  chat.history();
  chat.send({ body: "hi" });
  await pass(0);
  chat.close();
  await pass(0);
});

Deno.test("token_expiring: a fresh token goes over the same connection; one that does not help is no reason to hurry", async () => {
  using net = await fakeNet({ pingIntervalMs: 0 });
  const expiring = { type: "token_expiring", expires_at: "" };
  net.socket.greet(0);
  net.socket.say(expiring);
  await net.pass(0);
  assertEquals(net.reasons, ["initial", "refresh"]);
  assertEquals(net.socket.sentOf("refresh").map(({ jwt }) => jwt), ["token-2"]);
  net.socket.say({ type: "refreshed", expires_at: "" }, expiring);
  await net.pass(9_999);
  assertEquals(net.reasons.length, 2);
  await net.pass(1);
  const [, second] = net.socket.sentOf("refresh");
  net.socket.say({ type: "error", code: "auth_unavailable", message: "", ref: second!.ref });
  await net.pass(10_000);
  assertEquals(net.socket.sentOf("refresh").length, 3);
  net.socket.say({ type: "refreshed", expires_at: "" });
  await net.pass(100_000);
  assertEquals(net.reasons, ["initial", "refresh", "refresh", "refresh"]);
});

Deno.test("a network that died without a word is found by a ping", async () => {
  using net = await fakeNet({ pingIntervalMs: 20_000, pongTimeoutMs: 5_000 });
  const { socket } = net;
  socket.greet(0);
  await net.pass(15_000);
  socket.say(message(1));
  await net.pass(19_999);
  assertEquals(socket.sentOf("ping").length, 0);
  await net.pass(1);
  socket.say({ type: "pong" });
  await net.pass(24_999);
  assertEquals([socket.sentOf("ping").length, net.chat.status.status], [2, "open"]);
  await net.pass(1);
  assertEquals([socket.closedWith, net.chat.status.status], [1000, "reconnecting"]);
});

Deno.test("a ping waits behind nothing, so that a connection with much to send does not count as dead", async () => {
  using net = await fakeNet({ pongTimeoutMs: 5_000 });
  const { socket } = net;
  socket.greet(0, { limits: { max_frame_bytes: 1_000_000, messages_per_second: 10, bytes_per_second: 1_000_000 } });
  for (let i = 0; i < 100; i++) net.chat.typing();
  net.events.dispatchEvent(new Event("online"));
  assertEquals(socket.sentOf("ping").length, 1);
  socket.say({ type: "pong" });
  await net.pass(5_000);
  assertEquals(net.chat.status.status, "open");
});

Deno.test("online and visibilitychange: come back at once, or make sure that the connection lives", async () => {
  for (const name of ["online", "visibilitychange"]) {
    using net = await fakeNet();
    net.socket.greet(0);
    net.events.dispatchEvent(new Event("offline"));
    assertEquals(net.socket.sentOf("ping").length, 1);
    await net.pass(5000);
    assertEquals(net.chat.status.status, "reconnecting");
    net.events.dispatchEvent(new Event(name));
    await net.pass(0);
    assertEquals(net.sockets.length, 2);
    net.events.dispatchEvent(new Event(name));
    await net.pass(0);
    assertEquals(net.sockets.length, 2, "one try at a time");
  }
  using hidden = await fakeNet({ network: { events: new EventTarget(), isVisible: () => false } });
  hidden.socket.greet(0);
  hidden.events.dispatchEvent(new Event("visibilitychange"));
  assertEquals(hidden.socket.sentOf("ping").length, 0);
});

Deno.test("resync: told once the room has its new beginning, and events go on from there", async () => {
  using net = await fakeNet();
  const heard = record(net.chat);
  const log: string[] = [];
  net.chat.on("resync", ({ reason }) => log.push(reason));
  net.socket.greet(4);
  net.socket.drop(1006);
  await net.pass(500);
  net.socket.greet(2, { epoch: "e2" });
  net.socket.say({ type: "resync", room: "lobby", reason: "epoch_changed" }, message(3));
  assertEquals([log, heard.seqs("lobby"), net.socket.sentOf("join")], [["epoch_changed"], [3], []]);
  // In the middle of a connection nobody says where the log stands now: the room is joined afresh.
  net.socket.say({ type: "resync", room: "lobby", reason: "too_old" }, message(4));
  assertEquals(net.socket.sentOf("join").map(({ since, ref }) => [since, ref]), [[undefined, "rooms 2"]]);
  assertEquals(log.length, 1);
  net.socket.say({ type: "left", room: "lobby", ref: "rooms 2" });
  net.socket.say(enter("lobby", 950, { epoch: "e3", ref: "rooms 2" }), message(951));
  assertEquals([log, heard.seqs("lobby")], [["epoch_changed", "too_old"], [3, 951]]);
});

Deno.test("inbox: rooms begin where the first connection says; the next one says first where each stands", async () => {
  using net = await fakeNet({ room: undefined });
  const heard = record(net.chat);
  net.socket.greet(0, { rooms: { a: { seq: 3, epoch: "ea" }, b: { seq: 3, epoch: "eb" } } });
  assertEquals(net.socket.sent, []);
  net.socket.say(message(4, "b"));
  net.socket.drop(1006);
  const count = net.chat.unreadCount();
  await net.pass(500);
  assertEquals(net.socket.query.has("since"), false);
  net.socket.greet(0, { rooms: { a: { seq: 5, epoch: "ea" }, new: { seq: 8, epoch: "en" } } });
  const [resume, ...others] = net.socket.sent;
  assertEquals(resume, {
    type: "resume",
    rooms: { a: { since: 3, epoch: "ea" }, b: { since: 4, epoch: "eb" } },
    ref: "rooms 1",
  });
  assertEquals(others.map(({ type }) => type), ["get_unread_count"]);
  const left: string[] = [];
  const errors: unknown[] = [];
  net.chat.on("left", ({ room }) => left.push(room));
  net.chat.on("error", (error) => errors.push(error));
  net.socket.say(enter("a", 5, { epoch: "ea", resumed: true }), message(4, "a"), message(5, "a"));
  net.socket.say({ type: "error", code: "room_not_found", message: "b", ref: resume!.ref }, {
    type: "left",
    room: "b",
  });
  net.socket.say(enter("new", 6, { epoch: "en" }), message(7, "new"), message(8, "new"));
  assertEquals([heard.seqs("a"), heard.seqs("b"), heard.seqs("new")], [[4, 5], [4], [7, 8]]);
  assertEquals([left, errors], [["b"], []]);
  net.socket.say({ type: "unread_count", count: 2, ref: others[0]!.ref });
  assertEquals(await count, 2);
});

Deno.test("inbox: a resume that the server cannot answer is made anew, on another connection", async () => {
  using net = await fakeNet({ room: undefined });
  net.socket.greet();
  net.socket.drop(1006);
  await net.pass(500);
  net.socket.greet();
  const [resume] = net.socket.sent;
  assertEquals(resume!.rooms, {});
  net.socket.say({ type: "error", code: "store_unavailable", message: "down", ref: resume!.ref });
  assertEquals([net.socket.closedWith, net.chat.status.status], [1000, "reconnecting"]);
});

Deno.test("inbox: a resume that came too late is made good by joining from where this client stands", async () => {
  using net = await fakeNet({ room: undefined });
  const heard = record(net.chat);
  const resyncs: unknown[] = [];
  net.chat.on("resync", (frame) => resyncs.push(frame));
  const rooms = { den: { seq: 3, epoch: "d" } };
  net.socket.greet(0, { rooms });
  net.socket.drop(1006);
  await net.pass(500);
  net.socket.greet(0, { rooms: { den: { seq: 5, epoch: "d" } } });
  net.socket.say(message(6, "den"));
  assertEquals(net.socket.sentOf("join"), [], "what was asked for is waited for");
  net.socket.say(enter("den", 6, { epoch: "d" }), { type: "resync", room: "den", reason: "already_live" });
  const [join] = net.socket.sentOf("join");
  assertEquals([join!.since, net.socket.sentOf("leave").length], [3, 1]);
  net.socket.say(message(7, "den"), { type: "left", room: "den", ref: join!.ref });
  net.socket.say(enter("den", 7, { epoch: "d", resumed: true, ref: join!.ref }));
  net.socket.say(...[4, 5, 6, 7, 8].map((seq) => message(seq, "den")));
  assertEquals([heard.seqs("den"), resyncs], [[4, 5, 6, 7, 8], []]);
});

Deno.test("inbox: a resume never is larger than a frame may be", async () => {
  using net = await fakeNet({ room: undefined });
  const ids = Array.from({ length: 100 }, (_, i) => `room:${i}`);
  net.socket.greet(0, { rooms: Object.fromEntries(ids.map((id) => [id, { seq: 1, epoch: "e" }])) });
  net.socket.drop(1006);
  await net.pass(500);
  const limits = { max_frame_bytes: 2_000, messages_per_second: 100, bytes_per_second: 1_000_000 };
  net.socket.greet(0, { limits });
  const [resume] = net.socket.sent;
  const count = Object.keys(resume!.rooms as object).length;
  assert(JSON.stringify(resume).length <= 2_000 && count > 40, `${count} rooms`);
  // The others come as if they were new, from before this client or from behind it.
  net.socket.say(enter("room:98", 0, { epoch: "e" }), message(1, "room:98"), message(2, "room:98"));
  net.socket.say(enter("room:99", 7, { epoch: "e" }));
  assertEquals(net.socket.sentOf("join").map(({ room, since }) => [room, since]), [["room:99", 1]]);
});

Deno.test("direct rooms beside a room are resumed, joined ones joined again, each from where it stood", async () => {
  using net = await fakeNet();
  const dm = { "dm:1": { seq: 4, epoch: "m" } };
  net.socket.greet(0, { rooms: dm });
  const joined = net.chat.join("den");
  net.socket.say(enter("den", 7, { ref: "join 1" }));
  await joined;
  net.socket.say(message(8, "den"), message(5, "dm:1"));
  net.socket.drop(1006);
  await net.pass(500);
  net.socket.greet(0, { resumed: true, rooms: dm });
  assertEquals(net.socket.sent, [
    { type: "resume", rooms: { "dm:1": { since: 5, epoch: "m" } }, ref: "rooms 1" },
    { type: "join", room: "den", since: 8, epoch: "e1", ref: "rooms 2" },
  ]);
});

Deno.test("inbox: rooms that were joined are resumed, and joined to be seen in them; rooms that were left stay silent", async () => {
  using net = await fakeNet({ room: undefined });
  const heard = record(net.chat);
  const rooms = Object.fromEntries(["den", "loud"].map((id) => [id, { seq: 5, epoch: "e1" }]));
  net.socket.greet(0, { rooms });
  const [joined, left] = [net.chat.join("den"), net.chat.leave("loud")];
  net.socket.say(enter("den", 9, { ref: "join 1" }), message(6, "den"), message(6, "loud"));
  net.socket.say({ type: "left", room: "loud", ref: "leave 2" }, enter("loud", 2), message(3, "loud"));
  await Promise.all([joined, left]);
  net.socket.drop(1006);
  await net.pass(500);
  net.socket.greet(0, { rooms });
  assertEquals(net.socket.sent, [
    { type: "resume", rooms: { loud: { since: 5, epoch: "e1" }, den: { since: 6, epoch: "e1" } }, ref: "rooms 1" },
    { type: "leave", room: "loud", ref: "rooms 2" },
    { type: "join", room: "den", ref: "rooms 3" },
  ]);
  net.socket.say(enter("loud", 5), enter("den", 7, { resumed: true }), enter("den", 7, { ref: "rooms 3" }));
  net.socket.say(message(6, "loud"), message(7, "den"));
  assertEquals([heard.seqs("den"), heard.seqs("loud"), net.socket.sent.length], [[6, 7], [], 3]);
  const again = net.chat.join("loud");
  net.socket.say(enter("loud", 8, { ref: "join 3" }), message(9, "loud"));
  await again;
  assertEquals(heard.seqs("loud"), [9]);
});

Deno.test("a room that was left, and the own one that was joined, are joined by no later connection", async () => {
  using net = await fakeNet();
  net.socket.greet(0);
  const joined = [net.chat.join("den"), net.chat.join("lobby")];
  net.socket.say(enter("den", 7, { ref: "join 1" }), enter("lobby", 0, { ref: "join 2" }));
  await Promise.all(joined);
  net.chat.leave("den");
  // The answer is lost, so that this client still knows where it stood.
  net.socket.drop(1006);
  await net.pass(500);
  net.socket.greet(0, { resumed: true, rooms: { den: { seq: 9, epoch: "e1" } } });
  assertEquals(net.socket.sent, [
    { type: "resume", rooms: { den: { since: 9, epoch: "e1" } }, ref: "rooms 1" },
    { type: "leave", room: "den", ref: "rooms 2" },
    { type: "leave", room: "den", ref: "leave 3" },
  ]);
});

Deno.test("a room that is left before its join was answered is joined by no later connection", async () => {
  using net = await fakeNet();
  net.socket.greet(0);
  const joined = net.chat.join("den");
  net.chat.leave("den");
  net.socket.say(enter("den", 7, { ref: "join 1" }));
  await joined;
  // The answer to the leave is lost.
  net.socket.drop(1006);
  await net.pass(500);
  net.socket.greet(0, { resumed: true });
  assertEquals(net.socket.sentOf("join"), []);
});

Deno.test("a client that is closed asks for no token", async () => {
  const net = await fakeNet();
  net.chat.close();
  assertEquals((await assertRejects(() => net.chat.refresh(), ChatError)).code, "closed");
  assertEquals(net.reasons, ["initial"]);
});

Deno.test("ids are made on pages without TLS too, which have no randomUUID", async () => {
  Object.defineProperty(crypto, "randomUUID", { value: undefined, configurable: true });
  try {
    using net = await fakeNet();
    net.socket.greet(0);
    net.chat.send({ body: "hi" });
    const ids = [net.socket.query.get("session"), net.socket.sentOf("chat")[0]!.client_id];
    assert(ids[0] !== ids[1] && ids.every((id) => /^[0-9a-f]{32}$/.test(id as string)), ids.join(" "));
  } finally {
    Reflect.deleteProperty(crypto, "randomUUID");
  }
});

Deno.test("stream() gives the events from its call on, to several readers, and ends with the client", async () => {
  using net = await fakeNet();
  net.socket.greet(0);
  net.socket.say(message(1));
  const [all, first, statuses] = [net.chat.stream("message"), net.chat.stream("message"), net.chat.stream("status")];
  net.socket.say(message(2), message(3));
  for await (const { seq } of first) {
    assertEquals(seq, 2);
    break;
  }
  net.chat.close();
  assertEquals((await Array.fromAsync(all)).map(({ seq }) => seq), [2, 3]);
  assertEquals(await Array.fromAsync(statuses), [{ status: "closed" }]);
  assertEquals(await Array.fromAsync(net.chat.stream("message")), []);
});

Deno.test("close() leaves nothing behind, whenever it comes, and may be called twice", async () => {
  const moments: ((net: Awaited<ReturnType<typeof fakeNet>>) => unknown)[] = [
    () => {},
    (net) => net.socket.greet(0),
    (net) => net.socket.drop(1006),
    async (net) => {
      net.socket.greet(0);
      net.socket.say({ type: "reconnect", after_ms: 0, reason: "" });
      await net.pass(0);
    },
    async (net) => {
      net.socket.greet(0);
      net.chat.send({ body: "1" });
      net.chat.history();
      net.socket.say({ type: "reconnect", after_ms: 0, reason: "" });
      await net.pass(0);
      net.socket.greet(0, { resumed: true });
    },
    (net) => {
      net.socket.greet(0);
      net.chat.send({ body: "1", client_id: "a" });
      net.socket.say({ type: "error", code: "overloaded", message: "", ref: "a" });
      for (let i = 0; i < 300; i++) net.chat.typing();
    },
    async (net) => {
      net.socket.greet(0);
      net.socket.say({ type: "token_expiring", expires_at: "" });
      await net.pass(0);
    },
  ];
  for (const [i, moment] of moments.entries()) {
    const events = new CountingTarget();
    const net = await fakeNet({ network: { events, isVisible: () => true } });
    await moment(net);
    net.chat.close();
    net.chat.close();
    const { status } = net.chat;
    assertEquals([net.clock.countTimers(), events.listeners, status], [0, 0, { status: "closed" }], `moment ${i}`);
    const count = net.sockets.length;
    for (const socket of net.sockets) {
      if (socket.onclose !== null || socket.onmessage !== null) throw new Error(`moment ${i}: a socket is held`);
    }
    await net.pass(100_000);
    assertEquals(net.sockets.length, count);
  }
});

Deno.test("a token that comes after close() opens nothing", async () => {
  const token = Promise.withResolvers<string>();
  using net = await fakeNet({ token: () => token.promise });
  net.chat.close();
  token.resolve("late");
  await net.pass(0);
  assertEquals(net.sockets, []);
});

Deno.test("a listener that throws stops neither the others nor the client", async () => {
  using net = await fakeNet();
  const thrown = Promise.withResolvers<unknown>();
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    thrown.resolve(event.error.message);
  };
  globalThis.addEventListener("error", onError);
  try {
    net.chat.on("message", () => {
      throw new Error("mine");
    });
    const heard = record(net.chat);
    net.socket.greet(0);
    net.socket.say(message(1), message(2));
    assertEquals(heard.seqs("lobby"), [1, 2]);
    assertEquals(await thrown.promise, "mine");
  } finally {
    globalThis.removeEventListener("error", onError);
  }
});

function refuse(socket: Awaited<ReturnType<typeof fakeNet>>["socket"], closeCode: number, code: string): void {
  socket.say({ type: "error", code, message: `refused: ${code}` });
  socket.drop(closeCode, code);
}

function assertStopped(status: ChatStatus, code: string, closeCode: number): void {
  if (status.status !== "closed") throw new Error(`The client is ${status.status}`);
  assertEquals([status.error?.code, status.error?.closeCode], [code, closeCode]);
}

class CountingTarget extends EventTarget {
  listeners = 0;

  override addEventListener(...args: Parameters<EventTarget["addEventListener"]>): void {
    this.listeners++;
    super.addEventListener(...args);
  }

  override removeEventListener(...args: Parameters<EventTarget["removeEventListener"]>): void {
    this.listeners--;
    super.removeEventListener(...args);
  }
}
