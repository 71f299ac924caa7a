import { assertEquals, assertThrows } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { Peers } from "../../shared/isolate/peers.ts";

Deno.test("an isolate that misses three beats is gone, one that says goodbye is so at once, one that beats is not", async () => {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "performance"] });
  try {
    const broadcast = memoryBus();
    const peers = (isolateId: string) => new Peers({ isolateId, broadcast, beatMs: 1_000 });
    const [a, b, c] = [peers("a"), peers("b"), peers("c")];
    const gone: string[] = [];
    a.onGone((isolateId) => gone.push(isolateId));
    for (const peer of [a, b, c]) peer.start();
    await clock.tickAsync(2_500);
    assertEquals(gone, []);
    c.stop();
    assertEquals(gone, ["c"]);
    // Killed: no goodbye, no more beats.
    broadcast.publish("isolates", "d beat");
    await clock.tickAsync(2_900);
    assertEquals(gone, ["c"]);
    await clock.tickAsync(2_000);
    assertEquals(gone, ["c", "d"]);
    a.stop();
    a.stop();
    b.stop();
    assertEquals(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
});

Deno.test("anything heard of an isolate is a sign of its life; one's own word is not heard", async () => {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "performance"] });
  try {
    const broadcast = memoryBus();
    const peers = new Peers({ isolateId: "a", broadcast, beatMs: 1_000 });
    const gone: string[] = [];
    peers.onGone((isolateId) => gone.push(isolateId));
    peers.start();
    broadcast.publish("isolates", "b beat");
    for (let beat = 0; beat < 10; beat++) {
      peers.heard("b");
      await clock.tickAsync(1_000);
    }
    assertEquals(gone, []);
    peers.stop();
  } finally {
    clock.uninstall();
  }
});

Deno.test("Peers refuses a beat that is no time", () => {
  assertThrows(() => new Peers({ isolateId: "a", broadcast: memoryBus(), beatMs: 0 }), RangeError, "beatMs");
});
