import { assertEquals, assertThrows } from "@std/assert";
import { memoryStore } from "../../shared/store/memory_store.ts";

const ANN = { id: "00000000-0000-4000-8000-00000000000a" };
const BOB = { id: "00000000-0000-4000-8000-00000000000b" };

Deno.test("memoryStore() forgets the oldest events of a long room, and says so by the floor", async () => {
  const store = memoryStore({ maxEventsPerRoom: 10 });
  await store.createRoom("private", "room", undefined, [ANN.id, BOB.id]);
  for (let index = 1; index <= 30; index++) {
    await store.post([{ kind: "message", actor: ANN, room: "room", body: `${index}`, client_id: `${index}` }]);
  }
  const page = (await store.eventsSince("room", 0, 100))!;
  assertEquals([page.floor, page.head, page.events[0]!.seq, page.events.length], [20, 32, 21, 12]);
  const history = await store.history(BOB.id, "room", undefined, 100);
  assertEquals(history.ok && history.value.messages.map(({ body }) => body)[0], "19");
  assertEquals(await store.unread(BOB.id, "room"), { ok: true, value: { count: 12, asOf: 32 } });
  const [forgotten] = await store.post([{ kind: "message", actor: ANN, room: "room", body: "1", client_id: "1" }]);
  assertEquals(forgotten!.ok && forgotten!.value.seq, 33);
});

Deno.test("memoryStore() takes its clock and ids from its options", async () => {
  const id = "00000000-0000-4000-8000-000000000001";
  const store = memoryStore({ now: () => 0, newId: () => id });
  await store.createRoom("private", "room", undefined, [ANN.id]);
  const [posted] = await store.post([{ kind: "message", actor: ANN, room: "room", body: "x" }]);
  assertEquals(posted!.ok && [posted!.value.id, posted!.value.created_at], [id, "1970-01-01T00:00:00.000Z"]);
});

Deno.test("memoryStore() keeps what it was given apart from what its caller does with it", async () => {
  const store = memoryStore();
  await store.createRoom("private", "room", undefined, [ANN.id]);
  const data = { list: [1] };
  const [posted] = await store.post([{ kind: "message", actor: ANN, room: "room", body: "", data }]);
  data.list.push(2);
  const frame = posted!.ok ? posted!.value.event?.frame : undefined;
  if (frame?.type === "new_message") (frame.message.data as typeof data).list.push(3);
  const history = await store.history(ANN.id, "room", undefined, 1);
  assertEquals(history.ok && history.value.messages[0]!.data, { list: [1] });
});

Deno.test("memoryStore() refuses what sets up no room", async () => {
  const store = memoryStore({ users: (id) => id === ANN.id });
  await store.createRoom("public", "taken", undefined, []);
  const codes = await Promise.all([
    store.createRoom("public", "taken", undefined, []),
    store.createRoom("public", "no spaces", undefined, []),
    store.createRoom("private", "dm:x", undefined, []),
    store.createRoom("private", "room", undefined, [BOB.id]),
    store.addMember("taken", BOB.id),
    store.addMember("none", ANN.id),
    store.removeMember("none", ANN.id),
  ]);
  assertEquals(codes.map((result) => result.ok ? "ok" : result.error.code), [
    "bad_request",
    "bad_request",
    "bad_request",
    "not_found",
    "not_found",
    "room_not_found",
    "room_not_found",
  ]);
  const joined = await store.join(ANN, "taken", { createRooms: true });
  assertEquals(joined.ok && joined.value.role, "member");
  assertThrows(() => memoryStore({ maxEventsPerRoom: 0 }), RangeError, "'maxEventsPerRoom' must be >= 1");
});

Deno.test("memoryStore() stamps messages with its clock to the millisecond, also where that is set back", async () => {
  let now = 0;
  const store = memoryStore({ now: () => now });
  await store.join(ANN, "lobby", { createRooms: true });
  for (now of [1_700_000_000_000, 1_700_000_000_007, 1_700_000_000_999, 1_700_000_001_000, 1_699_999_999_995, 0, -1]) {
    const [written] = await store.post([{ kind: "message", actor: ANN, room: "lobby", body: "x" }]);
    assertEquals(written!.ok && written!.value.created_at, new Date(now).toISOString());
  }
});
