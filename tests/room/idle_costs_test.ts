import { assert, assertEquals } from "@std/assert";
import * as FakeTimers from "@sinonjs/fake-timers";
import { memoryStore } from "../../shared/store/memory_store.ts";
import { countMade } from "../support/count_made.ts";
import { inProcessChat } from "../support/in_process_chat.ts";

const MEMBERS = 20;

/** What is made, and what of the runtime's timers is left, for a member who comes and says nothing; the mean of several. */
async function idleMember() {
  const clock = FakeTimers.install({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
  });
  const chat = inProcessChat({ store: memoryStore() });
  const fill = async (from: number) => {
    for (let n = from; n < from + MEMBERS; n++) await chat.connect(n, "room=idle");
  };
  // What they are told of each other, and wait for, is over by then.
  const quiet = () => clock.tickAsync(3_000);
  try {
    await fill(1);
    await quiet();
    const before = clock.countTimers();
    const made = countMade("Set", "Map");
    await fill(1 + MEMBERS).finally(made.stop);
    await quiet();
    return {
      timers: (clock.countTimers() - before) / MEMBERS,
      sets: made.counts.Set / MEMBERS,
      maps: made.counts.Map / MEMBERS,
    };
  } finally {
    chat.close();
    clock.uninstall();
  }
}

Deno.test("a member who says nothing holds no timer of the runtime, and few sets and maps were made for him", async () => {
  const { timers, sets, maps } = await idleMember();
  assertEquals(timers, 0, "what his token and his socket wait for is on the one timer that all share");
  // A set of one costs 150 bytes, a map 180. Only a room makes sets; the store makes two of the maps.
  assert(sets < 1, `${sets} sets`);
  assert(maps < 5, `${maps} maps`);
});
