import { assertEquals, assertStrictEquals } from "@std/assert";
import { added, allOf, type Few, removed } from "../../shared/process/few.ts";

const [a, b, c] = [{ name: "a" }, { name: "b" }, { name: "c" }];

Deno.test("a few are none, the one, or a set, and become less as they became more", () => {
  let few: Few<object>;
  assertEquals([...allOf(few)], []);
  few = added(few, a);
  assertStrictEquals(few, a, "one is not put in a set");
  few = added(few, a);
  assertEquals([...allOf(few)], [a], "none is in it twice");
  few = added(added(added(few, b), c), b);
  assertEquals([...allOf(few)], [a, b, c], "in the order in which they came");
  few = removed(few, a);
  assertEquals([...allOf(few)], [b, c]);
  few = removed(few, a);
  assertEquals([...allOf(few)], [b, c], "one that is not in it changes nothing");
  few = removed(few, c);
  assertStrictEquals(few, b, "one that is left is in no set");
  assertStrictEquals(removed(few, a), b);
  assertStrictEquals(removed(few, b), undefined);
  assertStrictEquals(removed(undefined, b), undefined);
});
