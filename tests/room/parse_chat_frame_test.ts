import { assertEquals } from "@std/assert";
import { parseChatFrame } from "../../shared/room/parse_chat_frame.ts";

Deno.test("parseChatFrame() takes data of 64 levels, and refuses what would run out of stack", () => {
  const frames = ["chat", "signal"].map((type) => (json: string) =>
    `{"type":"${type}","body":"x","ref":"r","data":${json}}`
  );
  const nested = (levels: number) => ["[", '{"a":'].map((open) => open.repeat(levels) + "0" + closing(open, levels));
  for (const frame of frames) {
    for (const json of nested(64)) assertEquals(parseChatFrame(frame(json)).ok, true);
    for (const json of [65, 1_000, 10_000, 30_000].flatMap(nested)) {
      assertEquals(parseChatFrame(frame(json)), {
        ok: false,
        error: { code: "bad_frame", message: "data: is nested deeper than 64 levels", ref: "r" },
      });
    }
  }
});

function closing(open: string, levels: number): string {
  return (open === "[" ? "]" : "}").repeat(levels);
}
