import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BufferBudget } from "../../shared/connection/buffer_budget.ts";
import { Timers } from "../../shared/connection/timers.ts";
import { exceedsBytes, type FrameData, FrameQueue } from "../../shared/relay/frame_queue.ts";

function takeAll(queue: FrameQueue): FrameData[] {
  const frames: FrameData[] = [];
  while (!queue.isEmpty) frames.push(queue.take()!);
  return frames;
}

Deno.test("FrameQueue gives back what was put in, in order, once", () => {
  const queue = new FrameQueue(10, 100);
  const binary = new ArrayBuffer(3);
  for (const data of ["a", binary, ""]) assertEquals(queue.put(data), true);
  assertEquals(takeAll(queue), ["a", binary, ""]);
  assertEquals([queue.isEmpty, queue.take()], [true, undefined]);
});

Deno.test("FrameQueue does as an array does, whatever is put and taken in turn", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3_000), { maxLength: 20 }), (steps) => {
      const queue = new FrameQueue(Infinity, Infinity);
      const model: string[] = [];
      let count = 0;
      for (const [i, step] of steps.entries()) {
        for (let n = 0; n < step; n++) {
          if (i % 2) assertEquals(queue.take(), model.shift());
          else {
            model.push(`${count}`);
            queue.put(`${count++}`);
          }
        }
      }
      assertEquals(takeAll(queue), model);
    }),
    { numRuns: 20 },
  );
});

Deno.test("FrameQueue holds so many frames and no more, empty ones as well", () => {
  const queue = new FrameQueue(2, 100);
  assertEquals([queue.put(""), queue.put(""), queue.put("")], [true, true, false]);
  assertEquals([queue.take(), queue.put(""), queue.put("")], ["", true, false], "there is room for one again");
});

Deno.test("FrameQueue has all its room again after clear()", () => {
  const queue = new FrameQueue(2, 4);
  queue.put("four");
  queue.clear();
  assertEquals([queue.isEmpty, queue.put("four"), queue.put("")], [true, true, true]);
});

const sizes: { name: string; data: FrameData; fits: boolean }[] = [
  { name: "text of as many bytes as are left", data: "x".repeat(6), fits: true },
  { name: "text of one byte more", data: "x".repeat(7), fits: false },
  { name: "text whose bytes, not characters, are too many", data: "éééé", fits: false },
  { name: "binary of as many bytes as are left", data: new ArrayBuffer(6), fits: true },
  { name: "binary of one byte more", data: new ArrayBuffer(7), fits: false },
];

for (const { name, data, fits } of sizes) {
  Deno.test(`FrameQueue ${fits ? "takes" : "refuses"} ${name}`, () => {
    const queue = new FrameQueue(10, 10);
    queue.put("four");
    assertEquals(queue.put(data), fits);
    assertEquals(queue.put("sixsix"), !fits, "what was refused takes no room");
  });
}

Deno.test("exceedsBytes() counts bytes of UTF-8", () => {
  for (const text of ["", "x".repeat(10), "é".repeat(5), "€".repeat(3), "😀".repeat(2)]) {
    const bytes = new TextEncoder().encode(text).length;
    assert(!exceedsBytes(text, bytes), text);
    assert(bytes === 0 || exceedsBytes(text, bytes - 1), text);
  }
  assertEquals([exceedsBytes(new ArrayBuffer(3), 3), exceedsBytes(new ArrayBuffer(3), 2)], [false, true]);
});

/** A budget for all queues, and how often one was told that it holds too much. */
function shared(maxBytes: number) {
  const buffers = new BufferBudget(maxBytes, () => [], new Timers());
  const told: string[] = [];
  const open = (name: string) => {
    const overflows = () => {
      told.push(name);
      queue.clear();
    };
    const queue: FrameQueue = new FrameQueue(1_000, Infinity, { buffers, overflows });
    return queue;
  };
  return { buffers, told, open };
}

Deno.test("FrameQueue counts what it holds among all, until it is taken or cleared", () => {
  const { buffers, open } = shared(Infinity);
  const [a, b] = [open("a"), open("b")];
  a.put("four");
  a.put(new ArrayBuffer(6));
  b.put("sixsix");
  assertEquals(buffers.queuedBytes, 16);
  a.take();
  assertEquals(buffers.queuedBytes, 12);
  a.take();
  b.clear();
  assertEquals([buffers.queuedBytes, a.bufferedBytes, b.bufferedBytes], [0, 0, 0]);
  a.put("again");
  assertEquals(buffers.queuedBytes, 5);
});

Deno.test("FrameQueue counts text that is not all ASCII as what it takes of memory", () => {
  const { buffers, open } = shared(Infinity);
  const queue = open("a");
  for (const text of ["x".repeat(10), `${"x".repeat(9)}€`, "€€€"]) queue.put(text);
  assertEquals(buffers.queuedBytes, 10 + 20 + 6);
  while (!queue.isEmpty) queue.take();
  assertEquals([buffers.queuedBytes, queue.bufferedBytes], [0, 0]);
});

Deno.test("where all queues hold too much the greatest ends, whichever was put into, and the others stay", () => {
  const KiB = 1024;
  const { buffers, told, open } = shared(400 * KiB);
  const [greedy, modest, small] = [open("greedy"), open("modest"), open("small")];
  for (let i = 0; i < 3; i++) greedy.put(new ArrayBuffer(100 * KiB));
  modest.put(new ArrayBuffer(70 * KiB));
  small.put(new ArrayBuffer(KiB));
  assertEquals(told, []);
  modest.put(new ArrayBuffer(60 * KiB));
  assertEquals(told, ["greedy"]);
  assertEquals(buffers.queuedBytes, 131 * KiB);
  assertEquals([greedy.isEmpty, modest.isEmpty, small.isEmpty], [true, false, false]);
});
