import { assert, assertEquals } from "@std/assert";
import { decodeBroadcast, groupTexts, isTooLarge } from "../../shared/bus/realtime_message.ts";

const LIMIT = 256_000;
const bytesOf = (texts: readonly string[]) => new TextEncoder().encode(JSON.stringify({ texts })).length;

Deno.test("isTooLarge() says what Realtime takes as one broadcast, whatever the characters", () => {
  for (const char of ["x", '"', "\u0000", "ü", "€", "🎈"]) {
    let [fits, over] = [0, LIMIT];
    while (over - fits > 1) {
      const count = Math.floor((fits + over) / 2);
      if (isTooLarge(char.repeat(count))) over = count;
      else fits = count;
    }
    const bytes = bytesOf([char.repeat(fits)]);
    assert(bytes <= LIMIT && bytes > LIMIT - 1_000, `${JSON.stringify(char)}: ${bytes}`);
  }
});

Deno.test("groupTexts() puts all texts into groups that fit, in their order", () => {
  const cases: string[][] = [
    ["a"],
    ["a", "b", "c"],
    Array.from({ length: 500 }, (_, i) => "\u0000".repeat(i)),
    ["x".repeat(200_000), "y", "z".repeat(200_000)],
  ];
  for (const texts of cases) {
    const groups = groupTexts(texts);
    assertEquals(groups.flat(), texts);
    for (const group of groups) assert(bytesOf(group) <= LIMIT && group.length > 0, `${bytesOf(group)}`);
  }
  assertEquals(groupTexts([]), []);
  assertEquals(groupTexts(["a", "b", "c"]).length, 1);
});

Deno.test("decodeBroadcast() gives the texts, the database's hint as JSON, and nothing of anything else", () => {
  const hint = { room: "lobby", seq: 4, epoch: "e" };
  const cases: [string, unknown, string[]][] = [
    ["texts", { texts: ["a", ""] }, ["a", ""]],
    ["texts", { texts: ["a", 1, null, {}, "b"] }, ["a", "b"]],
    ["texts", { texts: "a" }, []],
    ["texts", {}, []],
    ["texts", null, []],
    ["texts", undefined, []],
    ["texts", "a", []],
    ["grown", hint, [JSON.stringify(hint)]],
    ["other", { texts: ["a"] }, []],
  ];
  for (const [event, payload, expected] of cases) assertEquals(decodeBroadcast(event, payload), expected);
});
