import { assertEquals } from "@std/assert";
import { decodeVersions } from "../../shared/room/decode_versions.ts";

Deno.test("decodeVersions() takes what is a room and its version, and nothing else", () => {
  const cases: [string, [string, number][]][] = [
    ['[["lobby",1]]', [["lobby", 1]]],
    ['[["a b",0],["__proto__",7]]', [["a b", 0], ["__proto__", 7]]],
    ['[["a"],[1,2],["b",1.5],["c","1"],null,"d",["e",3]]', [["e", 3]]],
    ["{}", []],
    ["null", []],
    ["no JSON", []],
    ["", []],
  ];
  for (const [note, expected] of cases) assertEquals(decodeVersions(note), expected, note);
});
