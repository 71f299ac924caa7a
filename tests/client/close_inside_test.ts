import { assert, assertEquals, assertRejects } from "@std/assert";
import { ChatError } from "../../shared/client/chat_error.ts";
import type { ChatEvents } from "../../shared/client/chat_events.ts";
import { enter, type FakeNet, fakeNet, message } from "./fake_server.ts";

const NAMES = [
  "status",
  "connection",
  "message",
  "new_message",
  "joined",
  "left",
  "resync",
  "presence",
  "unread_count",
  "history",
  "ack",
  "sent",
  "refused",
  "error",
  "reconnect",
  "token_expiring",
  "refreshed",
] as const satisfies readonly (keyof ChatEvents)[];

/** All that a client may hear: what was told, in order, and by how many listeners of each. */
function listen(net: FakeNet, closeAt = Infinity): string[] {
  const told: string[] = [];
  for (const name of NAMES) {
    net.chat.on(name, (event) => {
      told.push(name === "status" ? `status ${(event as ChatEvents["status"]).status}` : name);
      if (told.length - 1 === closeAt) net.chat.close();
    });
  }
  return told;
}

/** A life in which everything happens that a client tells of. */
async function live(net: FakeNet): Promise<void> {
  net.chat.send({ body: "1", client_id: "a" });
  net.chat.send({ body: "2", client_id: "b" });
  net.chat.join("den");
  net.chat.history();
  net.socket.greet(0);
  net.socket.say({ type: "batch", events: [message(1), message(2)] }, { type: "presence", room: "lobby" });
  net.socket.say(enter("den", 3, { ref: "join 1" }), { type: "unread_count", count: 1 });
  net.socket.say({ type: "history", room: "lobby", messages: [], more: false, ref: "history 2" });
  net.socket.say({ type: "error", code: "rate_limited", message: "", retry_after_ms: 10 });
  net.socket.say({ type: "error", code: "overloaded", message: "", ref: "a" });
  await net.pass(20);
  net.socket.say({ type: "error", code: "forbidden", message: "", ref: "a" });
  net.socket.ack("b");
  net.socket.say({ type: "token_expiring", expires_at: "" });
  await net.pass(0);
  net.socket.say({ type: "refreshed", expires_at: "", ref: "refresh 3" });
  net.socket.say({ type: "token_expiring", expires_at: "" });
  net.socket.say({ type: "resync", room: "den", reason: "too_old" }, { type: "left", room: "den", ref: "rooms 1" });
  net.socket.say(enter("den", 9, { ref: "rooms 1" }), message(9));
  net.socket.say({ type: "left", room: "den" }, { type: "reconnect", after_ms: 10, reason: "wall_clock" });
  await net.pass(10);
  net.socket.greet(2, { resumed: true });
  net.socket.drop(1006);
  await net.pass(500);
  net.socket.drop(1006);
  await net.pass(1_000);
  net.socket.greet(2, { resumed: true });
}

async function tellAll(): Promise<readonly string[]> {
  using net = await fakeNet();
  const told = listen(net);
  await live(net);
  return told.slice();
}

const ALL = await tellAll();

Deno.test("close() inside every event: the life in which it is tried tells each of them", () => {
  const names = new Set(ALL.map((what) => what.split(" ")[0]!));
  assertEquals(NAMES.filter((name) => !names.has(name)), []);
  const statuses = ALL.filter((what) => what.startsWith("status"));
  assertEquals(
    statuses,
    ["open", "handing_over", "open", "reconnecting", "reconnecting", "open"].map((s) => `status ${s}`),
  );
});

for (const [index, what] of ALL.entries()) {
  Deno.test(`close() inside "${what}", which is told as number ${index}, is the end`, async () => {
    const net = await fakeNet();
    const told = listen(net, index);
    const statuses = net.chat.stream("status");
    const last: string[] = [];
    net.chat.on("status", ({ status }) => last.push(status));
    await live(net);
    assertEquals(told, [...ALL.slice(0, index + 1), "status closed"]);
    assertEquals([net.chat.status, last.at(-1)], [{ status: "closed" }, "closed"]);
    assertEquals((await assertRejects(() => net.chat.send({ body: "late" }), ChatError)).code, "closed");
    assertEquals((await Array.fromAsync(statuses)).at(-1), { status: "closed" });
    assertEquals(net.clock.countTimers(), 0);
    const counts = [net.sockets.length, net.reasons.length];
    assert(net.sockets.every(({ closedWith, onmessage }) => closedWith !== undefined || onmessage === null));
    await net.pass(100_000);
    assertEquals([net.sockets.length, net.reasons.length], counts);
  });
}
