import { assert, assertEquals } from "@std/assert";
import { BufferBudget } from "../../../shared/connection/buffer_budget.ts";
import { Timers } from "../../../shared/connection/timers.ts";
import { EventFrame } from "../../../shared/relay/openai/event_frame.ts";
import { LaneOverflow, type LaneStage, StageLane } from "../../../shared/relay/openai/stage_lane.ts";
import type { Passed, RealtimeEvent } from "../../../shared/relay/openai/stage.ts";

const event = (name: string, type = "seen"): RealtimeEvent => ({ type, name });
const frame = (name: string, type?: string) => EventFrame.of(event(name, type), 10);

/** A lane of stages, what came through it and what went wrong. */
function openLane(stages: readonly Partial<LaneStage>[], limits = {}) {
  const out: unknown[] = [];
  const failures: unknown[] = [];
  const lane = new StageLane(
    stages.map((stage) => ({ wants: (type) => type === "seen", handle: (event) => event, ...stage })),
    {
      maxQueuedFrames: 100,
      maxQueuedBytes: 1_000,
      exit: ({ event }) => out.push(event.name),
      failed: (cause) => failures.push(cause),
      ...limits,
    },
  );
  return { lane, out, failures };
}

/** A stage that takes its time until it is told. */
function slowStage() {
  const handled: unknown[] = [];
  const waiting: (() => void)[] = [];
  return {
    handled,
    release: () => waiting.shift()?.(),
    stage: {
      handle: (event: RealtimeEvent) => {
        handled.push(event.name);
        return new Promise<Passed>((resolve) => waiting.push(() => resolve(event)));
      },
    },
  };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("StageLane passes, changes and stops events at once where its stages do", () => {
  const { lane, out } = openLane([
    { handle: (event) => event.name === "stop" ? undefined : event },
    { handle: (event) => event.name === "change" ? { ...event, name: "changed" } : event },
  ]);
  for (const name of ["a", "stop", "change", "b"]) lane.enter(frame(name));
  assertEquals(out, ["a", "changed", "b"]);
  assertEquals(lane.idle(), undefined);
});

Deno.test("StageLane keeps the order, one event at a time, while a stage takes its time, of what it does not see as well", async () => {
  const slow = slowStage();
  const { lane, out } = openLane([{}, slow.stage, {}]);
  for (const [name, type] of [["a"], ["b"], ["c", "unseen"], ["d"]] as const) lane.enter(frame(name, type));
  assertEquals([slow.handled, out], [["a"], []]);
  lane.enter(frame("from behind"), 2);
  assertEquals(out, ["from behind"], "what is ahead goes on");
  const idle = lane.idle();
  slow.release();
  await settled();
  assertEquals([slow.handled, out], [["a", "b"], ["from behind", "a"]]);
  slow.release();
  await settled();
  slow.release();
  await idle;
  assertEquals(out, ["from behind", "a", "b", "c", "d"]);
});

Deno.test("StageLane fails, and says so once, where a stage throws or rejects", async () => {
  for (
    const handle of [
      () => {
        throw new Error("broken");
      },
      () => Promise.reject(new Error("broken")),
    ]
  ) {
    const { lane, out, failures } = openLane([{ handle }]);
    lane.enter(frame("a"));
    lane.enter(frame("b"));
    await settled();
    assertEquals(failures.map((cause) => (cause as Error).message), ["broken"]);
    lane.enter(frame("c", "unseen"));
    assertEquals(out, []);
  }
});

for (const limits of [{ maxQueuedFrames: 3 }, { maxQueuedBytes: 30 }]) {
  Deno.test(`StageLane fails where more waits than ${JSON.stringify(limits)}`, () => {
    const slow = slowStage();
    const { lane, failures } = openLane([slow.stage], limits);
    for (const name of ["a", "b", "c", "d"]) lane.enter(frame(name));
    assertEquals(failures, []);
    lane.enter(frame("e"));
    assert(failures[0] instanceof LaneOverflow);
  });
}

Deno.test("StageLane that is closed is idle, and lets nothing through", async () => {
  const slow = slowStage();
  const { lane, out } = openLane([slow.stage]);
  lane.enter(frame("a"));
  lane.enter(frame("b"));
  const idle = lane.idle();
  lane.close();
  await idle;
  slow.release();
  await settled();
  assertEquals([out, slow.handled, lane.idle()], [[], ["a"], undefined]);
});

Deno.test("StageLane counts what waits among all of the isolate, and ends where that is too much and most is its own", async () => {
  const buffers = new BufferBudget(1024 * 1024, () => [], new Timers());
  const slow = slowStage();
  const { lane, out, failures } = openLane([slow.stage], { maxQueuedBytes: Infinity, buffers });
  const large = (name: string) => EventFrame.of(event(name), 300 * 1024);
  for (const name of ["a", "b", "c"]) lane.enter(large(name));
  assertEquals(buffers.queuedBytes, 600 * 1024);
  for (let i = 0; i < 3; i++) {
    slow.release();
    await settled();
  }
  assertEquals([out, buffers.queuedBytes, lane.bufferedBytes], [["a", "b", "c"], 0, 0]);
  for (const name of ["d", "e", "f", "g", "h"]) lane.enter(large(name));
  assertEquals(failures.map((cause) => cause instanceof LaneOverflow), [true]);
  assertEquals([buffers.queuedBytes, lane.bufferedBytes], [0, 0]);
});
