import { assertEquals } from "@std/assert";
import { BufferBudget, type BufferHolder } from "../../shared/connection/buffer_budget.ts";

const KIB = 1024;

/** Connections that hold so much, and the order in which they are dropped. */
function holding(maxBytes: number, ...kib: number[]) {
  const dropped: number[] = [];
  const holders = new Set<BufferHolder>(kib.map((size) => ({
    bufferedBytes: size * KIB,
    dropSlowReader() {
      dropped.push(size);
      holders.delete(this);
    },
  })));
  return { dropped, budget: new BufferBudget(maxBytes, () => holders) };
}

/** A socket that holds so much, until its end. */
function socketWith(bufferedAmount: number): WebSocket {
  return Object.assign(new EventTarget(), { bufferedAmount }) as unknown as WebSocket;
}

Deno.test("over the bound those who hold most are closed first, and no more than need be", () => {
  const { budget, dropped } = holding(800 * KIB, 100, 400, 90, 300, 200);
  assertEquals(budget.bytes, 1_090 * KIB);
  budget.sent(100 * KIB);
  assertEquals(dropped, [], "not looked at before an eighth was sent");
  budget.sent(1);
  assertEquals(dropped, [400]);
  budget.sent(101 * KIB);
  assertEquals(dropped, [400]);
});

Deno.test("within the bound nobody is closed, and never one who holds little", () => {
  for (const [maxKib, ...kib] of [[1_000, 600, 400], [10, 63, 1, 0]] as const) {
    const { budget, dropped } = holding(maxKib * KIB, ...kib);
    budget.sent(1e9);
    assertEquals(dropped, []);
  }
});

Deno.test("what a socket holds counts until its end, though it was closed", () => {
  const { budget, dropped } = holding(800 * KIB, 300, 100);
  const socket = socketWith(500 * KIB);
  budget.closing(socket);
  budget.closing(socketWith(63 * KIB));
  assertEquals(budget.closingBytes, 500 * KIB);
  budget.sent(1e9);
  assertEquals(dropped, [300]);
  socket.dispatchEvent(new Event("close"));
  socket.dispatchEvent(new Event("close"));
  assertEquals(budget.closingBytes, 0);
});
