import { assertEquals } from "@std/assert";
import type { FrameData } from "../../shared/relay/frame_queue.ts";
import { Outlet } from "../../shared/relay/outlet.ts";

/** A sink that takes as many frames as it is told. */
function startSink(credit: number) {
  const sent: FrameData[] = [];
  return {
    sent,
    credit,
    isReady() {
      return this.credit > 0;
    },
    send(data: FrameData) {
      this.credit--;
      sent.push(data);
    },
  };
}

const LIMITS = { maxQueuedFrames: 3, maxQueuedBytes: 100 };

Deno.test("an outlet sends at once where the side is ready, else in order once it is, never a frame out of turn", () => {
  const sink = startSink(1);
  const outlet = new Outlet(sink, LIMITS);
  for (const data of ["1", "2", "3"]) assertEquals(outlet.push(data), true);
  assertEquals(sink.sent, ["1"]);
  sink.credit = 2;
  outlet.push("4");
  assertEquals(sink.sent, ["1"], "a frame does not pass those that wait, though the side is ready");
  outlet.resume();
  assertEquals(sink.sent, ["1", "2", "3"]);
  sink.credit = 5;
  outlet.resume();
  outlet.push("5");
  assertEquals(sink.sent, ["1", "2", "3", "4", "5"]);
});

Deno.test("an outlet refuses what its queue has no room for, and what was refused is not sent", () => {
  const sink = startSink(0);
  const outlet = new Outlet(sink, LIMITS);
  assertEquals(["1", "2", "3", "4"].map((data) => outlet.push(data)), [true, true, true, false]);
  sink.credit = 10;
  outlet.resume();
  assertEquals(sink.sent, ["1", "2", "3"]);
});

Deno.test("end() is told once all that waited has left, and only once", () => {
  const sink = startSink(0);
  const outlet = new Outlet(sink, LIMITS);
  const told: string[] = [];
  outlet.end(() => told.push("empty"));
  assertEquals(told, ["empty"], "at once where nothing waits");
  outlet.push("1");
  outlet.push("2");
  outlet.end(() => told.push(`after ${sink.sent}`));
  sink.credit = 1;
  outlet.resume();
  assertEquals(told, ["empty"]);
  sink.credit = 5;
  outlet.resume();
  outlet.resume();
  assertEquals(told, ["empty", "after 1,2"]);
});

Deno.test("clear() drops what waits, and whoever waits for it to leave is not told", () => {
  const sink = startSink(0);
  const outlet = new Outlet(sink, LIMITS);
  outlet.push("1");
  outlet.end(() => sink.sent.push("told"));
  outlet.clear();
  sink.credit = 5;
  outlet.resume();
  assertEquals(sink.sent, []);
});
