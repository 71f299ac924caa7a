import { assert, assertEquals } from "@std/assert";
import type { LogFrame, Message } from "../../shared/protocol/chat_server_frames.ts";
import { encodeFrame, encodeMessages } from "../../shared/room/encode_frame.ts";
import { MAX_PAGE_BYTES } from "../../shared/store/store.ts";
import { denoPath, HOSTED_DENO } from "../support/deno_versions.ts";
import { runProcess } from "../support/run_process.ts";

const MESSAGE: Message = {
  id: "m",
  room: "r",
  seq: 7,
  sender: { id: "u", name: "Ann" },
  body: "Hello",
  is_read: false,
  read_at: null,
  created_at: "2026-11-21T11:20:00.123Z",
  updated_at: "2026-11-21T11:20:00.123Z",
};
/** What no runtime can encode. */
const CYCLE: Message["data"] = [];
CYCLE.push(CYCLE);
const LONG = "x".repeat(MAX_PAGE_BYTES);
const REACTIONS = { "👍": [LONG] };

Deno.test("encodeFrame() gives a frame as it is, also with much in it", () => {
  const message = { ...MESSAGE, data: { a: [LONG.slice(0, -1_000)] }, reactions: { "👍": ["u"] } };
  assertEquals(encodeFrame(frameOf(message)), JSON.stringify(frameOf(message)));
});

Deno.test("encodeFrame() leaves out of a message what keeps it from being encoded, or makes it too long", () => {
  const reactions = { "👍": ["u"] };
  const cases: [name: string, message: Message, as: Message][] = [
    ["a cycle", { ...MESSAGE, data: CYCLE, reactions }, { ...MESSAGE, reactions }],
    ["too long", { ...MESSAGE, data: LONG, reactions }, { ...MESSAGE, reactions }],
    ["both too long", { ...MESSAGE, data: LONG, reactions: REACTIONS }, MESSAGE],
    ["a body without end", { ...MESSAGE, body: LONG }, { ...MESSAGE, body: LONG.slice(0, 16_000) }],
    ["nothing of JSON's", { ...MESSAGE, seq: 7n as unknown as number }, withoutSeq(MESSAGE)],
  ];
  for (const [name, message, as] of cases) {
    assertEquals(JSON.parse(encodeFrame(frameOf(message))), frameOf(as), name);
    assertEquals(JSON.parse(encodeMessages([MESSAGE, message])), [MESSAGE, as], name);
  }
});

Deno.test(`a message whose data is nested without end is handed on, replayed and read on Deno ${HOSTED_DENO}`, async () => {
  const program = new URL("deep_data.ts", import.meta.url).pathname;
  const running = runProcess({ program: await denoPath(HOSTED_DENO), args: ["run", "--no-lock", "-A", program] });
  try {
    const seen = await running.until("what it has seen", seenIn, 60_000);
    const bodies = ["before", "deep", "after"];
    assertEquals(seen, { live: bodies, replayed: bodies, read: bodies, errors: [] });
  } finally {
    await running.end();
  }
});

function seenIn(printed: readonly string[]): unknown {
  const line = printed.find((line) => line.startsWith("{"));
  return line && JSON.parse(line);
}

function frameOf(message: Message): LogFrame {
  return { type: "new_message", message };
}

function withoutSeq({ seq: _seq, ...message }: Message): Message {
  assert(_seq > 0);
  return message as Message;
}
