import { assert, assertEquals } from "@std/assert";
import { install } from "@sinonjs/fake-timers";
import { LiveSocket, type SocketStatus } from "../../supabase/local/site/socket/live_socket.ts";

/** A socket whose other end is the test. */
class FakeSocket {
  static readonly OPEN = 1;
  static last: FakeSocket;
  readyState = FakeSocket.OPEN;
  onmessage: ((event: { data: string }) => void) | undefined;
  onclose: ((event: { code: number; reason: string }) => void) | undefined;

  constructor() {
    FakeSocket.last = this;
  }

  send() {}
  close() {}
}

for (
  const { livesMs, grows } of [
    { livesMs: 3_000, grows: false },
    { livesMs: 100, grows: true },
  ]
) {
  Deno.test(`the page waits ${grows ? "longer" : "no longer"} when each connection lives ${livesMs} ms`, async () => {
    const { WebSocket } = globalThis;
    const clock = install({ now: 0 });
    Object.assign(globalThis, { WebSocket: FakeSocket });
    let status: SocketStatus | undefined;
    const socket = new LiveSocket({
      greeting: "connection",
      address: () => Promise.resolve({ url: new URL("ws://here"), protocols: [] }),
      onFrame() {},
      onStatus: (now) => status = now,
    });
    try {
      const waits: number[] = [];
      for (let i = 0; i < 8; i++) {
        await clock.tickAsync(10_000);
        FakeSocket.last.onmessage?.({ data: `{"type":"connection"}` });
        assertEquals(status?.state, "open");
        await clock.tickAsync(livesMs);
        FakeSocket.last.onclose?.({ code: 1006, reason: "" });
        waits.push(status!.retryAt! - Date.now());
      }
      if (grows) assert(Math.max(...waits) > 500, `${waits}`);
      else assert(Math.max(...waits) <= 500, `${waits}`);
    } finally {
      socket.close();
      clock.uninstall();
      Object.assign(globalThis, { WebSocket });
    }
  });
}
