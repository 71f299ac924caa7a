import { assertEquals } from "@std/assert";
import { FrameQueue } from "../../shared/relay/frame_queue.ts";

Deno.test("FrameQueue gives back what was put in, in order, once", () => {
  const queue = new FrameQueue(10, 100);
  const binary = new ArrayBuffer(3);
  for (const data of ["a", binary, ""]) assertEquals(queue.put(data), true);
  assertEquals(queue.takeAll(), ["a", binary, ""]);
  assertEquals(queue.takeAll(), []);
});

Deno.test("FrameQueue holds so many frames and no more, empty ones as well", () => {
  const queue = new FrameQueue(2, 100);
  assertEquals([queue.put(""), queue.put(""), queue.put("")], [true, true, false]);
  assertEquals(queue.takeAll().length, 2);
  assertEquals(queue.put(""), true, "there is room again");
});

const sizes: { name: string; data: string | ArrayBuffer; fits: boolean }[] = [
  { name: "text of as many bytes as are left", data: "x".repeat(6), fits: true },
  { name: "text of one byte more", data: "x".repeat(7), fits: false },
  { name: "text whose bytes, not characters, are too many", data: "ééé" + "é", fits: false },
  { name: "binary of as many bytes as are left", data: new ArrayBuffer(6), fits: true },
  { name: "binary of one byte more", data: new ArrayBuffer(7), fits: false },
];

for (const { name, data, fits } of sizes) {
  Deno.test(`FrameQueue ${fits ? "takes" : "refuses"} ${name}`, () => {
    const queue = new FrameQueue(10, 10);
    queue.put("four");
    assertEquals(queue.put(data), fits);
    assertEquals(
      queue.put("€€"),
      data instanceof ArrayBuffer && fits ? false : !fits,
      "what was refused takes no room",
    );
  });
}
