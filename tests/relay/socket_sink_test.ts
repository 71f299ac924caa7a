import { assertEquals } from "@std/assert";
import { install } from "@sinonjs/fake-timers";
import { SocketSink } from "../../shared/relay/socket_sink.ts";

const KiB = 1024;

/** A socket that keeps what it is sent until the test says that it has left. */
class HeldSocket {
  readyState: number = WebSocket.OPEN;
  held = 0;
  asked = 0;

  get bufferedAmount(): number {
    this.asked++;
    return this.held;
  }

  send(data: string | ArrayBuffer): void {
    this.held += typeof data === "string" ? new TextEncoder().encode(data).length : data.byteLength;
  }
}

function fakeTimers() {
  const clock = install({ toFake: ["setTimeout", "clearTimeout"] });
  return Object.assign(clock, { [Symbol.dispose]: () => clock.uninstall() });
}

function startSink() {
  const socket = new HeldSocket();
  const resumed = { times: 0 };
  return { socket, resumed, sink: new SocketSink(socket as unknown as WebSocket, () => resumed.times++) };
}

Deno.test("a socket's sink lets the runtime hold 256 KiB and a frame, whatever is in it", () => {
  using _clock = fakeTimers();
  for (const frame of [new ArrayBuffer(16 * KiB), "x".repeat(16 * KiB), "☃".repeat(16 * KiB)]) {
    const { sink, socket } = startSink();
    let most = 0;
    while (sink.isReady()) {
      most = socket.held;
      sink.send(frame);
    }
    assertEquals(most <= 256 * KiB, true);
    assertEquals(socket.held > 256 * KiB, true, "it takes as much as it may");
    sink.dispose();
  }
});

Deno.test("a socket's sink asks how much is held only when that may be too much", () => {
  const { sink, socket } = startSink();
  for (let i = 0; i < 1_000; i++) {
    assertEquals(sink.isReady(), true);
    sink.send(new ArrayBuffer(KiB));
    socket.held = 0;
  }
  assertEquals(socket.asked, 3);
});

Deno.test("a socket's sink resumes once the socket has sent enough, and is not ready unless that is open", () => {
  using clock = fakeTimers();
  const { sink, socket, resumed } = startSink();
  sink.send(new ArrayBuffer(300 * KiB));
  assertEquals([sink.isReady(), sink.isReady()], [false, false]);
  socket.held = 200 * KiB;
  clock.tick(10);
  assertEquals([resumed.times, sink.isReady()], [1, true], "told once, however often it was asked");
  socket.readyState = WebSocket.CLOSING;
  assertEquals(sink.isReady(), false);
});
