import { assertEquals } from "@std/assert";
import { compareLogs, type LoggedEvent } from "./compare_logs.ts";

const log: LoggedEvent[] = [{ seq: 1, body: "a" }, { seq: 2, body: "b" }, { seq: 3 }, { seq: 4, body: "d" }];
const [a, b, c, d] = log as [LoggedEvent, LoggedEvent, LoggedEvent, LoggedEvent];
const none = { lost: 0, doubled: 0, reordered: 0, wrong: 0 };

const cases: { name: string; seen: LoggedEvent[]; differences: typeof none }[] = [
  { name: "the log itself", seen: [a, b, c, d], differences: none },
  { name: "nothing", seen: [], differences: { ...none, lost: 4 } },
  { name: "one missing", seen: [a, c, d], differences: { ...none, lost: 1 } },
  { name: "the last missing", seen: [a, b, c], differences: { ...none, lost: 1 } },
  { name: "one twice", seen: [a, b, b, c, d], differences: { ...none, doubled: 1 } },
  { name: "one again later", seen: [a, b, c, d, a], differences: { ...none, doubled: 1 } },
  { name: "two swapped", seen: [a, c, b, d], differences: { ...none, reordered: 1 } },
  { name: "another text", seen: [a, { seq: 2, body: "x" }, c, d], differences: { ...none, wrong: 1 } },
  { name: "one that the log does not have", seen: [a, b, c, d, { seq: 5 }], differences: { ...none, wrong: 1 } },
];

for (const { name, seen, differences } of cases) {
  Deno.test(`compareLogs() judges ${name}`, () => assertEquals(compareLogs(log, seen), differences));
}
