import { assertEquals } from "@std/assert";
import { Places } from "../../shared/connection/places.ts";

Deno.test("places are counted for the isolate and for each user, and given back", () => {
  const places = new Places({ maxConnections: 4, maxConnectionsPerUser: 2 });
  const full = () => [places.isFull(), places.isFullFor("ann"), places.isFullFor("bob")];
  places.take("ann");
  places.take(undefined);
  assertEquals([full(), places.isFull(1), places.isFull(2)], [[false, false, false], false, true]);
  places.take("ann");
  assertEquals(full(), [false, true, false]);
  places.take("bob");
  assertEquals([places.taken, full()], [4, [true, true, false]]);
  places.leave(undefined);
  assertEquals([places.taken, full()], [3, [false, true, false]]);
  places.leave("ann");
  places.leave("ann");
  places.leave("bob");
  assertEquals([places.taken, full()], [0, [false, false, false]]);
});
