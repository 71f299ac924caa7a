import { assertEquals } from "@std/assert";
import { ReadPace } from "../../shared/connection/read_pace.ts";

Deno.test("a client that reads is looked at soon again, one that does not ever less often", () => {
  const pace = new ReadPace();
  const looks = [[500, 0], [500, 10], [501, 30], [501, 70], [501, 150], [501, 310], [501, 560], [400, 810], [400, 820]];
  const periods = looks.map(([unread, at]) => [pace.look(unread!, at!, 250), pace.stalledMs(at!)]);
  assertEquals(periods, [
    [10, 0],
    [20, 10],
    [40, 30],
    [80, 70],
    [160, 150],
    [250, 310],
    [250, 560],
    [10, 0],
    [20, 10],
  ]);
});
