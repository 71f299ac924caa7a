import { assertEquals } from "@std/assert";
import { Tally } from "../../supabase/local/site/stage/tally.ts";

const stored = [1, 2, 3, 4, 5].map((seq) => ({ id: `m${seq}`, seq }));

const cases: { name: string; heard: number[]; lost?: number; doubled?: number; reordered?: number }[] = [
  { name: "all in order", heard: [1, 2, 3, 4, 5] },
  { name: "one that never came", heard: [1, 2, 4, 5], lost: 1 },
  { name: "two that never came", heard: [1, 4, 5], lost: 2 },
  { name: "one twice in a row", heard: [1, 2, 2, 3, 4, 5], doubled: 1 },
  { name: "an old one again", heard: [1, 2, 3, 4, 1, 5], doubled: 1 },
  { name: "two that changed places", heard: [1, 3, 2, 4, 5], reordered: 1 },
  { name: "one late and twice", heard: [1, 3, 2, 2, 4, 5], doubled: 1, reordered: 1 },
];

for (const { name, heard, lost = 0, doubled = 0, reordered = 0 } of cases) {
  Deno.test(`the stage counts ${name}`, () => {
    const tally = new Tally();
    tally.begin(0);
    for (const seq of heard) tally.heard(seq, `m${seq}`);
    tally.compare(stored);
    assertEquals([tally.lost, tally.doubled, tally.reordered, tally.last], [lost, doubled, reordered, 5]);
  });
}

Deno.test("the stage counts a message of the database that came as another one, or as none, as lost", () => {
  const tally = new Tally();
  tally.begin(0);
  for (const seq of [1, 2, 3]) tally.heard(seq, `m${seq}`);
  tally.heard(4, "another");
  tally.heard(5);
  tally.compare(stored);
  assertEquals(tally.lost, 2);
});

Deno.test("the stage counts nothing that was before a client came, and no message for an event of another kind", () => {
  const tally = new Tally();
  tally.heard(2, "m2");
  tally.begin(2);
  tally.begin(7);
  tally.heard(3);
  for (const seq of [4, 5]) tally.heard(seq, `m${seq}`);
  tally.compare(stored.slice(3));
  assertEquals([tally.lost, tally.doubled, tally.reordered], [0, 0, 0]);
});
