import { assertEquals } from "@std/assert";
import type { FlushMessage, SendMessage } from "../../shared/connection/mod.ts";
import { Processes } from "../../shared/process/mod.ts";
import { ConnectionSink } from "../../shared/relay/connection_sink.ts";

const KiB = 1024;

/** A process in a connection's place, which flushes when the test says so. */
function startSink() {
  const processes = new Processes();
  const sent: SendMessage[] = [];
  const flushes: (() => void)[] = [];
  const connection = processes.spawn({
    "ws.send": (frame: SendMessage) => sent.push(frame) && undefined,
    "ws.flush": ({ done }: FlushMessage) => flushes.push(done) && undefined,
  });
  const resumed = { times: 0 };
  return { sink: new ConnectionSink(processes, connection, () => resumed.times++), sent, flushes, resumed };
}

Deno.test("a connection's sink sends text and binary as they are", () => {
  const { sink, sent } = startSink();
  const data = new ArrayBuffer(3);
  sink.send("text");
  sink.send(data);
  assertEquals(sent, [{ type: "text", data: "text" }, { type: "binary", data }]);
});

Deno.test("a connection's sink takes 256 KiB, and more once the connection says that they have left", () => {
  const { sink, flushes, resumed } = startSink();
  for (let i = 0; i < 16; i++) {
    assertEquals([sink.isReady(), flushes.length], [true, i < 8 ? 0 : 1], `${i * 16} KiB`);
    sink.send(i % 2 ? "x".repeat(16 * KiB) : new ArrayBuffer(16 * KiB));
  }
  assertEquals([sink.isReady(), flushes.length, resumed.times], [false, 1, 0]);
  flushes[0]!();
  assertEquals([sink.isReady(), resumed.times], [true, 1]);
});
