import { assertEquals } from "@std/assert";
import { type Entry, type Outcome, Positions, type Verdict } from "../../shared/client/positions.ts";

const entry = (seq: number, { epoch = "e1", resumed = false } = {}): Entry => ({ seq, epoch, resumed });

Deno.test("Positions.take() hands each event on once, in order, and sees gaps", () => {
  const positions = new Positions();
  positions.enter("r", entry(4), false);
  const cases: [seq: number, verdict: Verdict][] = [
    [4, "known"],
    [5, "next"],
    [5, "known"],
    [7, "gap"],
    [8, "gap"],
    [6, "next"],
    [7, "next"],
    [1, "known"],
  ];
  for (const [seq, verdict] of cases) assertEquals(positions.take("r", seq), verdict, `seq ${seq}`);
  assertEquals(positions.all(), { r: { since: 7, epoch: "e1" } });
});

Deno.test("Positions.take() begins a room that was never entered with its first event", () => {
  const positions = new Positions();
  assertEquals([7, 7, 8, 10].map((seq) => positions.take("dm:1", seq)), ["next", "known", "next", "gap"]);
});

interface EnterCase {
  readonly name: string;
  readonly entry: Entry;
  readonly asked: boolean;
  readonly outcome: Outcome;
  readonly since: number;
}
const CASES: EnterCase[] = [
  { name: "resumed", entry: entry(9, { resumed: true }), asked: true, outcome: "kept", since: 5 },
  { name: "refused to resume", entry: entry(9), asked: true, outcome: "reset", since: 9 },
  { name: "refused, the log is shorter", entry: entry(2), asked: true, outcome: "reset", since: 2 },
  { name: "refused, another log", entry: entry(5, { epoch: "e2" }), asked: true, outcome: "reset", since: 5 },
  { name: "not asked, from before here", entry: entry(3), asked: false, outcome: "kept", since: 5 },
  { name: "not asked, from here", entry: entry(5), asked: false, outcome: "kept", since: 5 },
  { name: "not asked, from further on", entry: entry(6), asked: false, outcome: "behind", since: 5 },
  { name: "not asked, another log", entry: entry(5, { epoch: "e2" }), asked: false, outcome: "behind", since: 5 },
];
for (const { name, entry: given, asked, outcome, since } of CASES) {
  Deno.test(`Positions.enter() of a client at 5, ${name}: ${outcome}, at ${since}`, () => {
    const positions = new Positions();
    positions.enter("r", entry(5), false);
    assertEquals(positions.enter("r", given, asked), outcome);
    assertEquals(positions.get("r")?.since, since);
  });
}

Deno.test("Positions.enter() begins where nothing is known, also after forget() and lose()", () => {
  const positions = new Positions();
  assertEquals(positions.enter("r", entry(3), false), "begun");
  positions.forget("r");
  assertEquals([positions.get("r"), positions.enter("r", entry(8), false)], [undefined, "begun"]);
  positions.lose("r");
  assertEquals([positions.take("r", 9), positions.take("r", 20)], ["known", "known"], "nothing counts until entered");
  assertEquals(positions.enter("r", entry(20), false), "begun");
  assertEquals(positions.take("r", 21), "next");
});
