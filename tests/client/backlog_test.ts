import { assert, assertEquals } from "@std/assert";
import { Backlog, type SendData } from "../../shared/client/backlog.ts";

const LIMITS = { messages_per_second: 10, bytes_per_second: 3000 };

function backlog(limits = LIMITS) {
  const sent: SendData[] = [];
  const backlog = new Backlog(limits);
  return { backlog, sent, flush: (now: number) => backlog.flush((data) => sent.push(data), now) };
}

Deno.test("Backlog sends half a second's worth at once, then the rest in order and below the rate", () => {
  const { backlog: waiting, sent, flush } = backlog();
  const frames = Array.from({ length: 20 }, (_, frame) => `${frame}`);
  for (const frame of frames) waiting.push(frame);
  waiting.begin(0);
  let now = 0;
  for (let waitMs = flush(now); waitMs > 0; waitMs = flush(now)) {
    assert(sent.length <= 5 + now / 100, `${sent.length} at ${now} ms`);
    now += waitMs;
  }
  assertEquals(sent, frames);
  assertEquals([waiting.isEmpty, waiting.bytes], [true, 0]);
});

Deno.test("Backlog counts a text as the most bytes that it may have", () => {
  const { backlog: waiting, sent, flush } = backlog();
  for (const text of ["€".repeat(400), "€".repeat(400)]) waiting.push(text);
  assertEquals(waiting.bytes, 800);
  waiting.begin(0);
  assert(flush(0) > 0);
  assertEquals([sent.length, waiting.bytes], [1, 400]);
});

Deno.test("Backlog keeps frames as they were, and what it has not sent for the next connection", async () => {
  const { backlog: waiting, sent, flush } = backlog({ messages_per_second: 4, bytes_per_second: 1e9 });
  const bytes = new Uint8Array([1, 2, 3, 4]);
  for (const data of [bytes.subarray(1, 3), bytes.buffer, new Blob(["abc"]), "text"]) waiting.push(data);
  bytes.fill(0);
  assertEquals(waiting.bytes, 2 + 4 + 3 + 4);
  waiting.begin(0);
  assert(flush(0) > 0);
  assertEquals(sent, [new Uint8Array([2, 3]), new Uint8Array([1, 2, 3, 4])]);
  waiting.begin(0);
  assertEquals(flush(0), 0);
  assertEquals(await (sent[2] as Blob).text(), "abc");
  assertEquals(sent[3], "text");
});

Deno.test("Backlog forgets what it is told to forget", () => {
  const { backlog: waiting, sent, flush } = backlog();
  waiting.push("text");
  waiting.clear();
  waiting.begin(0);
  assertEquals([flush(0), sent, waiting.isEmpty, waiting.bytes], [0, [], true, 0]);
});
