import { assertEquals } from "@std/assert";
import { type Entry, type Outcome, Positions, type Verdict } from "../../shared/client/positions.ts";

const entry = (seq: number, { epoch = "e1", resumed = false } = {}): Entry => ({ seq, epoch, resumed });

Deno.test("Positions.take() hands each event on once, in order, and sees gaps", () => {
  const positions = new Positions();
  positions.enter("r", entry(4));
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
  readonly outcome: Outcome;
}
const CASES: EnterCase[] = [
  { name: "resumed", entry: entry(9, { resumed: true }), outcome: "kept" },
  { name: "from before here", entry: entry(3), outcome: "kept" },
  { name: "from here", entry: entry(5), outcome: "kept" },
  { name: "from further on", entry: entry(6), outcome: "behind" },
  { name: "into another log", entry: entry(5, { epoch: "e2" }), outcome: "behind" },
];
for (const { name, entry: given, outcome } of CASES) {
  Deno.test(`Positions.enter() of a client at 5, ${name}: ${outcome}`, () => {
    const positions = new Positions();
    positions.enter("r", entry(5));
    assertEquals(positions.enter("r", given), outcome);
    assertEquals(positions.get("r"), { since: 5, epoch: "e1" });
  });
}

Deno.test("Positions.enter() begins where nothing is known, also after forget(); begin() whatever is known", () => {
  const positions = new Positions();
  assertEquals(positions.enter("r", entry(3)), "begun");
  positions.forget("r");
  assertEquals([positions.get("r"), positions.enter("r", entry(8))], [undefined, "begun"]);
  positions.begin("r", entry(2, { epoch: "e2" }));
  assertEquals([positions.get("r"), positions.take("r", 3)], [{ since: 3, epoch: "e2" }, "next"]);
});
