import { assertEquals } from "@std/assert";
import { BusCounters } from "../../shared/bus/bus.ts";
import { WaitingTexts } from "../../shared/bus/waiting_texts.ts";

function waiting(now: () => number = () => 0) {
  const counters = new BusCounters();
  return { counters, texts: new WaitingTexts(counters, { maxChars: 10, maxAgeMs: 100 }, now) };
}

const shown = (publications: readonly { topic: string; text: string }[]) =>
  publications.map(({ topic, text }) => `${topic} ${text}`);

Deno.test("WaitingTexts gives what came, in its order, once", () => {
  const { counters, texts } = waiting();
  texts.add("a", "1");
  texts.add("b", "2");
  assertEquals(texts.size, 2);
  assertEquals(shown(texts.take()), ["a 1", "b 2"]);
  assertEquals([texts.take(), texts.size, counters.dropped], [[], 0, 0]);
});

Deno.test("WaitingTexts gives up the oldest where there is too much, even all of it", () => {
  const { counters, texts } = waiting();
  for (const text of ["12345", "12345", "1", "2"]) texts.add("a", text);
  assertEquals([shown(texts.take()), counters.dropped], [["a 12345", "a 1", "a 2"], 1]);
  texts.add("a", "12345678901");
  assertEquals([texts.take(), counters.dropped], [[], 2]);
});

Deno.test("WaitingTexts gives up what waited too long", () => {
  let time = 0;
  const { counters, texts } = waiting(() => time);
  texts.add("a", "old");
  time = 60;
  texts.add("a", "new");
  time = 101;
  assertEquals([shown(texts.take()), counters.dropped], [["a new"], 1]);
});

Deno.test("WaitingTexts takes some and leaves the others waiting", () => {
  const { counters, texts } = waiting();
  for (const [topic, text] of [["a", "1"], ["b", "2"], ["a", "3"]] as const) texts.add(topic, text);
  assertEquals(shown(texts.takeIf((topic) => topic === "b")), ["b 2"]);
  assertEquals([shown(texts.take()), counters.dropped], [["a 1", "a 3"], 0]);
  for (const text of ["123456", "1", "2", "3"]) texts.add("a", text);
  assertEquals(shown(texts.take({ chars: 2 })), ["a 123456"], "one at least, though it is larger");
  assertEquals(shown(texts.take({ chars: 2 })), ["a 1", "a 2"]);
  texts.add("a", "123");
  texts.add("a", "4");
  assertEquals(shown(texts.take({ chars: 3 })), ["a 3"], "never one before another");
  assertEquals(shown(texts.take({ texts: 1 })), ["a 123"]);
  assertEquals(shown(texts.take({ texts: 0 })), ["a 4"], "one at least");
});
