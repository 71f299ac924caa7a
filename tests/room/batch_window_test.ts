import { assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { BatchWindow } from "../../shared/room/batch_window.ts";

/** A window of 10 ms under a clock that is moved by hand. */
async function withWindow(run: (window: BatchWindow, flushed: string[], clock: FakeTimers.Clock) => Promise<void>) {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  const flushed: string[] = [];
  try {
    await run(new BatchWindow(10, (frame) => flushed.push(frame)), flushed, clock);
  } finally {
    clock.uninstall();
  }
}

Deno.test("after a quiet spell a frame goes out in its own turn, as it is, together with its neighbours", async () => {
  await withWindow(async (window, flushed, clock) => {
    window.add("1");
    await Promise.resolve();
    assertEquals(flushed, ["1"]);
    clock.tick(11);
    window.add("2");
    window.add("3");
    await Promise.resolve();
    assertEquals(flushed, ["1", '{"type":"batch","events":[2,3]}']);
  });
});

Deno.test("under load frames wait for the window, not longer, and keep their order", async () => {
  await withWindow(async (window, flushed, clock) => {
    window.add("1");
    await Promise.resolve();
    clock.tick(4);
    window.add("2");
    await Promise.resolve();
    window.add("3");
    assertEquals(flushed, ["1"]);
    clock.tick(6);
    assertEquals(flushed, ["1", '{"type":"batch","events":[2,3]}']);
  });
});

Deno.test("a clock that is set back holds frames for no longer than the window", async () => {
  await withWindow(async (window, flushed, clock) => {
    clock.tick(60_000);
    window.add("1");
    await Promise.resolve();
    clock.setSystemTime(0);
    window.add("2");
    clock.tick(10);
    assertEquals(flushed, ["1", "2"]);
  });
});

Deno.test("flush() sends what waits at once, and close() drops it", async () => {
  await withWindow(async (window, flushed, clock) => {
    window.add("1");
    window.flush();
    assertEquals(flushed, ["1"]);
    window.add("2");
    window.close();
    await clock.tickAsync(100);
    assertEquals(flushed, ["1"]);
    assertEquals(clock.countTimers(), 0);
  });
});
