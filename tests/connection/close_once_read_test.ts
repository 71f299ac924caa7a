import { assertEquals } from "@std/assert";
import { install } from "@sinonjs/fake-timers";
import { closeOnceRead } from "../../shared/connection/close_once_read.ts";
import { Timers } from "../../shared/connection/timers.ts";

const KIB = 1024;

/** A socket that its end is about to close, and whose client has not read so much. */
class UnreadSocket extends EventTarget {
  bufferedAmount: number;
  closes: unknown[] = [];
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;

  constructor(unread: number) {
    super();
    this.bufferedAmount = unread;
  }

  close(...reason: unknown[]): void {
    this.closes.push(reason);
    this.bufferedAmount = 0; // As of any socket that closes.
  }
}

/** Closes a socket with `unread` bytes; `told` is what it has been said to hold. */
function closing(unread: number) {
  const clock = install({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
  const socket = new UnreadSocket(unread);
  const told: number[] = [];
  closeOnceRead(socket as unknown as WebSocket, {
    code: 1013,
    reason: "slow_reader",
    patience: { messages: 2, bytes: 1_000 },
    timers: new Timers(),
    held: (bytes) => told.push(bytes),
  });
  return { clock, socket, told, [Symbol.dispose]: () => clock.uninstall() };
}

const FAREWELL = [[1013, "slow_reader"]];
const failure = (message: string) => new ErrorEvent("error", { message });

Deno.test("a socket is closed when its client has read what there was, and is told of as long", () => {
  using closed = closing(500 * KIB);
  const { clock, socket, told } = closed;
  clock.tick(10_000);
  assertEquals([socket.closes, new Set(told)], [[], new Set([500 * KIB])]);
  assertEquals(told.length <= 15, true, `looked at ${told.length} times`);
  socket.bufferedAmount = 300 * KIB;
  clock.tick(2_500);
  assertEquals([socket.closes, told.at(-1)], [[], 300 * KIB]);
  socket.bufferedAmount = 299 * KIB;
  clock.tick(2_500);
  socket.bufferedAmount = KIB;
  clock.tick(2_500);
  clock.tick(10_000);
  assertEquals([socket.closes, told.at(-1)], [FAREWELL, KIB], "it has not answered");
  socket.dispatchEvent(new CloseEvent("close"));
  assertEquals([told.at(-1), clock.countTimers()], [0, 0]);
});

Deno.test("a client that has read all and does not answer is counted for two minutes", () => {
  using closed = closing(500 * KIB);
  const { clock, socket, told } = closed;
  socket.bufferedAmount = 0;
  clock.tick(10);
  assertEquals([socket.closes, told.at(-1)], [FAREWELL, 1]);
  clock.tick(119_980);
  assertEquals(told.includes(0), false);
  clock.tick(30);
  assertEquals([told.filter((bytes) => bytes === 0), clock.countTimers()], [[0], 0]);
});

Deno.test("a client that goes on sending is closed once it is quiet, and at once where it sends too much", () => {
  const frame = new MessageEvent("message", { data: "x" });
  {
    using closed = closing(500 * KIB);
    const { clock, socket, told } = closed;
    socket.onmessage!(frame);
    socket.bufferedAmount = 0;
    clock.tick(10);
    assertEquals([socket.closes, told.at(-1)], [[], 1]);
    clock.tick(200);
    assertEquals([socket.closes, told.at(-1)], [FAREWELL, 1]);
    socket.dispatchEvent(new CloseEvent("close"));
    assertEquals([told.at(-1), clock.countTimers()], [0, 0]);
  }
  {
    using closed = closing(500 * KIB);
    const { clock, socket, told } = closed;
    for (let i = 0; i < 3; i++) socket.onmessage!(frame);
    assertEquals([socket.closes, socket.onclose], [FAREWELL, null]);
    clock.tick(119_999);
    assertEquals(told.at(-1), 500 * KIB, "it may still be held");
    clock.tick(1);
    assertEquals([told.at(-1), clock.countTimers()], [0, 0]);
  }
});

Deno.test("what breaks a socket frees what it holds where its connection has gone, and else after two minutes", () => {
  const events: [name: string, tell: (socket: UnreadSocket) => void, heldMs: number][] = [
    ["reset", (socket) => socket.onerror!(failure("Connection reset by peer (os error 104)")), 0],
    ["broken pipe", (socket) => socket.onerror!(failure("TypeError: Broken pipe (os error 32)")), 0],
    ["its answer to a close frame", (socket) => socket.onerror!(failure("Failed to send frame")), 0],
    ["a close frame", (socket) => socket.onclose!(new CloseEvent("close", { code: 1000 })), 0],
    ["no more frames", (socket) => socket.onerror!(failure("Unexpected EOF")), 120_000],
    ["a bad frame", (socket) => socket.onerror!(failure("Reserved bits are not zero")), 120_000],
    ["a close that nobody sent", (socket) => socket.onclose!(new CloseEvent("close", { code: 0 })), 120_000],
  ];
  for (const [name, tell, heldMs] of events) {
    using closed = closing(500 * KIB);
    const { clock, socket, told } = closed;
    tell(socket);
    socket.onclose?.(new CloseEvent("close", { code: 0 }));
    if (heldMs > 0) {
      clock.tick(heldMs - 1);
      assertEquals(told.includes(0), false, name);
      clock.tick(1);
    }
    assertEquals([told.filter((bytes) => bytes === 0), clock.countTimers()], [[0], 0], name);
  }
});

Deno.test("an end that is told late comes before the two minutes", () => {
  using closed = closing(500 * KIB);
  const { clock, socket, told } = closed;
  socket.onclose!(new CloseEvent("close", { code: 0 }));
  clock.tick(5_000);
  socket.onerror!(failure("Broken pipe (os error 32)"));
  assertEquals([told.at(-1), clock.countTimers()], [0, 0]);
  clock.tick(200_000);
  assertEquals(told.filter((bytes) => bytes === 0).length, 1);
});
