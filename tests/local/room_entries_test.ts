import { assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import type { LogFrame } from "../../shared/protocol/chat_server_frames.ts";
import { type CountedRoom, RoomEntries } from "../../supabase/local/site/chat/room_entries.ts";

interface Place {
  readonly entries: RoomEntries;
  /** How often the rows were asked for. */
  readonly asked: () => number;
  /** Answers the question that is open: `[room, count, as_of]`, or that it failed. */
  answer(...rows: [room: string, count: number, asOf: number][]): Promise<void>;
  fail(): Promise<void>;
  /** The list as `room: unread`. */
  readonly shown: () => string;
  readonly clock: FakeTimers.Clock;
}

async function withEntries(run: (place: Place) => Promise<void>): Promise<void> {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  const questions: ((rows: readonly CountedRoom[] | undefined) => void)[] = [];
  const entries = new RoomEntries("ann", () => new Promise((resolve) => questions.push(resolve)));
  let shown = "";
  entries.subscribe(() => shown = entries.list().map(({ id, unread }) => `${id}: ${unread}`).join(", "));
  const settle = async (rows: readonly CountedRoom[] | undefined) => {
    questions.at(-1)!(rows);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  };
  try {
    void entries.load();
    await run({
      entries,
      asked: () => questions.length,
      answer: (...rows) => settle(rows.map(([room, count, as_of]) => ({ room, count, as_of }))),
      fail: () => settle(undefined),
      shown: () => shown,
      clock,
    });
  } finally {
    entries.close();
    clock.uninstall();
  }
}

const said = (room: string, seq: number, from = "bob"): LogFrame => ({
  type: "new_message",
  message: {
    ...{ id: `m${seq}`, room, seq, sender: { id: from }, body: "hi", is_read: false, read_at: null },
    ...{ created_at: "", updated_at: "" },
  },
});

Deno.test("RoomEntries: the first message of a new direct room is one, in whatever order its count and it come", async () => {
  for (const countedUpTo of [2, 3]) {
    for (const heardFirst of [true, false]) {
      await withEntries(async ({ entries, asked, answer, shown }) => {
        await answer(["lobby", 0, 4]);
        entries.joined({ room: "dm" });
        assertEquals(asked(), 2);
        if (heardFirst) entries.happened(said("dm", 3));
        await answer(["dm", countedUpTo - 2, countedUpTo], ["lobby", 0, 4]);
        if (!heardFirst) entries.happened(said("dm", 3));
        assertEquals(
          shown(),
          `dm: 1, lobby: 0`,
          `counted up to ${countedUpTo}, heard ${heardFirst ? "before" : "after"}`,
        );
      });
    }
  }
});

Deno.test("RoomEntries: rows that were asked for before a receipt do not undo what it has read", () =>
  withEntries(async ({ entries, answer, shown }) => {
    await answer(["lobby", 1, 4]);
    void entries.load();
    entries.counted({ type: "unread_count", room: "lobby", count: 0, as_of: 5 });
    entries.counted({ type: "unread_count", count: 7 });
    assertEquals(shown(), "lobby: 0");
    await answer(["lobby", 1, 4]);
    assertEquals(shown(), "lobby: 0");
    entries.happened(said("lobby", 6));
    entries.happened(said("lobby", 7, "ann"));
    assertEquals(shown(), "lobby: 1");
  }));

Deno.test("RoomEntries: what happens while rows are read is read once more, however much it is", () =>
  withEntries(async ({ entries, asked, answer, fail, shown }) => {
    for (const room of ["a", "b", "c"]) entries.joined({ room });
    assertEquals(asked(), 1);
    await answer();
    assertEquals([asked(), shown()], [2, ""]);
    await answer(["a", 0, 1], ["b", 0, 1], ["c", 0, 1]);
    assertEquals([asked(), shown()], [2, "a: 0, b: 0, c: 0"]);
    entries.interrupted({ room: "b" });
    await fail();
    assertEquals([asked(), shown()], [3, "a: 0, b: 0, c: 0"], "a failure takes nothing away");
    void entries.load();
    await answer(["a", 0, 1]);
    assertEquals([asked(), shown()], [4, "a: 0"]);
  }));

Deno.test("RoomEntries: a deletion is counted by the server, once for all that happens in a while", () =>
  withEntries(async ({ entries, asked, answer, shown, clock }) => {
    await answer(["lobby", 3, 10]);
    for (const seq of [11, 12]) {
      entries.happened({
        ...{ type: "message_deleted", room: "lobby", seq, message_id: "m", user_id: "bob", deleted_at: "" },
      });
    }
    clock.tick(1_000);
    assertEquals(asked(), 2);
    await answer(["lobby", 1, 12]);
    clock.tick(10_000);
    assertEquals([asked(), shown()], [2, "lobby: 1"]);
  }));
