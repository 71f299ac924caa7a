import { assertEquals } from "@std/assert";
import type { ChatServerFrame } from "../../shared/protocol/chat_server_frames.ts";
import { SequenceCheck } from "./sequence_check.ts";

const event = (seq: number, room = "r") => ({ type: "member", room, seq }) as ChatServerFrame;
const batch = (...seqs: number[]) => ({ type: "batch", events: seqs.map((seq) => event(seq)) }) as ChatServerFrame;
const joined = { type: "joined", room: "r", seq: 9 } as ChatServerFrame;

const cases: { name: string; frames: ChatServerFrame[]; broken: string[] }[] = [
  { name: "events in their turn", frames: [event(4), event(5), batch(6, 7), event(8)], broken: [] },
  { name: "rooms by themselves", frames: [event(4), event(1, "other"), event(5)], broken: [] },
  { name: "a double", frames: [event(4), event(5), event(5)], broken: ["5 of r came after 5"] },
  { name: "a gap in a batch", frames: [batch(4, 6)], broken: ["6 of r came after 4"] },
  { name: "an event that came late", frames: [event(5), event(4)], broken: ["4 of r came after 5"] },
  { name: "a room that was joined anew", frames: [event(4), joined, event(2)], broken: [] },
];

for (const { name, frames, broken } of cases) {
  Deno.test(`SequenceCheck judges ${name}`, () => {
    const found: string[] = [];
    const check = new SequenceCheck((what) => found.push(what));
    for (const frame of frames) check.take(frame);
    assertEquals(found, broken);
  });
}
