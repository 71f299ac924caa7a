import { assertEquals, assertRejects } from "@std/assert";
import { RoomsOfUsers } from "../../shared/room/rooms_of_users.ts";
import type { Heads, RoomView } from "../../shared/store/store.ts";

/** A store whose answers are given by hand, and what asks it. */
function asked() {
  const calls: { users: readonly string[]; answer: PromiseWithResolvers<Heads> }[] = [];
  let moment = 0;
  const store = {
    heads: (_rooms: readonly string[], users: readonly string[]) => {
      const answer = Promise.withResolvers<Heads>();
      calls.push({ users, answer });
      return answer.promise;
    },
  };
  const answer = (call: number, rooms: readonly string[]) => {
    const views = rooms.map((room): RoomView => ({ room, kind: "private", epoch: "e", head: 1, role: "member" }));
    const [userId] = calls[call]!.users;
    calls[call]!.answer.resolve({ heads: new Map(), roomsOfUsers: new Map([[userId!, views]]) });
  };
  return { calls, answer, rooms: new RoomsOfUsers(store, () => ++moment) };
}

Deno.test("all who ask for a user's rooms while a call is under way share the next, which is asked after they did", async () => {
  const { calls, answer, rooms } = asked();
  const first = rooms.of("ann");
  const later = Array.from({ length: 100 }, () => rooms.of("ann"));
  const bobs = rooms.of("bob");
  assertEquals(calls.map(({ users }) => users), [["ann"], ["bob"]]);
  answer(0, ["old"]);
  assertEquals((await first).views.map(({ room }) => room), ["old"]);
  const last = rooms.of("ann");
  assertEquals(calls.length, 3);
  answer(2, ["old", "new"]);
  answer(1, []);
  const [{ views, asOf }] = await Promise.all(later) as [{ views: readonly RoomView[]; asOf: number }];
  assertEquals(views.map(({ room }) => room), ["old", "new"]);
  assertEquals([(await first).asOf, (await bobs).asOf, asOf], [1, 2, 3]);
  assertEquals(calls.length, 4, "who asks while that one is under way waits for one more");
  answer(3, []);
  assertEquals((await last).asOf, 4);
  const afterwards = rooms.of("ann");
  assertEquals(calls.length, 5, "nothing is kept");
  answer(4, []);
  await afterwards;
});

Deno.test("a call that fails is its askers' alone: those who asked meanwhile are answered by the next", async () => {
  const { calls, answer, rooms } = asked();
  const [first, second] = [rooms.of("ann"), rooms.of("ann")];
  calls[0]!.answer.reject(new Error("the database is gone"));
  await assertRejects(() => first, Error, "gone");
  answer(1, []);
  assertEquals((await second).views, []);
});
