import fc from "fast-check";
import { ChatClientFrame } from "../../shared/protocol/chat_client_frames.ts";
import { benchUser } from "../bench/bench_tokens.ts";
import { arbitraryOf } from "./arbitrary_of.ts";

/** What a client sends: text or bytes. */
export type HostileFrame = string | Uint8Array<ArrayBuffer>;

/** Names that a frame may hold where the protocol has a pattern: some of rooms, some of people and messages. */
const NAMES = ["lobby", "nowhere", "dm:x", ".", "..", "constructor", "__proto__", benchUser(1), benchUser(66)];

/** A frame of the chat as its schema has it. */
export const validFrame = arbitraryOf(ChatClientFrame, NAMES) as fc.Arbitrary<Record<string, unknown>>;

/** What no member of a frame should be, as JSON text: some of it cannot be said by a value. */
const hostileJson = fc.constantFrom(
  "null",
  "-1",
  "1e999",
  "-0",
  "9007199254740993",
  `1${"0".repeat(400)}`,
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"\\u202e\\u2066"',
  `"${"x".repeat(20_000)}"`,
  `"${"🦊".repeat(5_000)}"`,
  `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
  `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`,
  `[${"0,".repeat(20_000)}0]`,
  '{"__proto__":{"type":"ping"}}',
  '{"constructor":{"prototype":{"x":1}}}',
  '{"toString":1,"toJSON":1,"length":-1}',
  '"\'; drop table messages; --"',
  '"${7*7}{{7*7}}<script>alert(1)</script>"',
);

/** Members beside a frame's own: those that other frames have, and those that every object has. */
const OTHER_MEMBERS = ["room", "body", "data", "rooms", "ref", "__proto__", "constructor", "toString"];

/** Changes to the text of a frame. */
const mutation: fc.Arbitrary<(frame: Record<string, unknown>) => string> = fc.oneof(
  // A member with another value, or twice: the last one counts.
  fc.tuple(fc.nat(), hostileJson).map(([n, json]) => (frame: Record<string, unknown>) => {
    const names = [...Object.keys(frame), ...OTHER_MEMBERS];
    return `${JSON.stringify(frame).slice(0, -1)},${JSON.stringify(names[n % names.length])}:${json}}`;
  }),
  // One member less.
  fc.nat().map((n) => (frame: Record<string, unknown>) => {
    const members = Object.entries(frame);
    return JSON.stringify(Object.fromEntries(members.filter((_, index) => index !== n % members.length)));
  }),
  // Cut short, or gone on with.
  fc.nat().map((n) => (frame: Record<string, unknown>) => {
    const text = JSON.stringify(frame);
    return text.slice(0, n % text.length);
  }),
  fc.string({ maxLength: 20 }).map((tail) => (frame: Record<string, unknown>) => JSON.stringify(frame) + tail),
  // Wrapped in something else.
  fc.constantFrom("[", '"', "﻿", "\0").map((head) => (frame: Record<string, unknown>) => head + JSON.stringify(frame)),
);

/** Frames of the protocol, frames that were one before a change, and what never was one. */
export const hostileFrame = hostileOf(validFrame);

/** What `valid` gives as JSON, that after a change to its text, and what never was any of it. */
export function hostileOf(valid: fc.Arbitrary<Record<string, unknown>>): fc.Arbitrary<HostileFrame> {
  return fc.oneof(
    { weight: 3, arbitrary: valid.map((value) => JSON.stringify(value)) },
    { weight: 6, arbitrary: fc.tuple(valid, mutation).map(([value, mutate]) => mutate(value)) },
    { weight: 1, arbitrary: fc.json({ maxDepth: 4 }) },
    { weight: 1, arbitrary: fc.string({ maxLength: 200, unit: "binary" }) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  );
}
