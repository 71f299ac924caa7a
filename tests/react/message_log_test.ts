import { assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import type { AckFrame, LogFrame, Message } from "../../shared/protocol/chat_server_frames.ts";
import { ChatError } from "../../shared/client/mod.ts";
import { MessageLog } from "../../shared/react/message_log.ts";

const AT = "2026-01-01T00:00:00.000Z";
const SEED = 2026;

/** A message of user `from`. */
function message(seq: number, from = "bob", more: Partial<Message> = {}): Message {
  return {
    id: `m${seq}`,
    room: "lobby",
    seq,
    sender: { id: from },
    body: `message ${seq}`,
    is_read: false,
    read_at: null,
    created_at: AT,
    updated_at: AT,
    ...more,
  };
}

const came = (message: Message): LogFrame => ({ type: "new_message", message });
const edited = (id: string, seq: number, body: string): LogFrame => {
  return { type: "message_edited", room: "lobby", seq, message_id: id, user_id: "bob", body, edited_at: AT };
};
const deleted = (id: string, seq: number): LogFrame => {
  return { type: "message_deleted", room: "lobby", seq, message_id: id, user_id: "bob", deleted_at: AT };
};
const reacted = (id: string, seq: number, user: string, removed = false): LogFrame => {
  return { type: "reaction", room: "lobby", seq, message_id: id, user_id: user, emoji: "👍", removed };
};
const read = (id: string, seq: number, user: string): LogFrame => {
  return { type: "message_read", room: "lobby", seq, message_id: id, user_id: user, read_at: AT };
};

function logOf(...events: LogFrame[]): MessageLog {
  const log = new MessageLog();
  log.userId = "ann";
  for (const event of events) log.apply(event);
  return log;
}

const bodies = (log: MessageLog) => log.list().map(({ body }) => body);

Deno.test("MessageLog shows what is sent once, whichever comes first: its ack, its event or a page with it", () => {
  const stored = message(3, "ann", { client_id: "c1", body: "mine" });
  const ack: AckFrame = { type: "ack", client_id: "c1", id: "m3", room: "lobby", seq: 3, created_at: AT };
  const steps: Record<string, (log: MessageLog) => void> = {
    ack: (log) => void log.acknowledged(ack),
    event: (log) => log.apply(came(stored)),
    page: (log) => log.prepend([message(1), message(2), stored]),
    other: (log) => log.apply(came(message(4))),
  };
  fc.assert(
    fc.property(fc.shuffledSubarray(Object.keys(steps), { minLength: 1 }), (order) => {
      const log = logOf();
      log.sending({ type: "chat", room: "lobby", body: "mine", client_id: "c1" }, AT);
      for (const name of order) {
        steps[name]!(log);
        assertEquals(log.list().filter(({ key }) => key === "c1").length, 1, `once after ${order}`);
      }
      const mine = log.list().find(({ key }) => key === "c1")!;
      const isStored = order.some((name) => name !== "other");
      assertEquals([mine.state, mine.isOwn, mine.seq], isStored ? ["stored", true, 3] : ["sending", true, undefined]);
    }),
    { seed: SEED },
  );
});

Deno.test("MessageLog comes to the same, however often the events after a page are applied", () => {
  const events = [
    came(message(1)),
    came(message(2)),
    edited("m1", 3, "first"),
    reacted("m1", 4, "ann"),
    edited("m1", 5, "second"),
    deleted("m2", 6),
    read("m2", 7, "cy"),
  ];
  const expected = logOf(...events).list();
  for (let from = 0; from < events.length; from++) {
    const log = logOf(...events);
    for (const event of events.slice(from)) log.apply(event);
    assertEquals(log.list(), expected, `again from ${from}`);
  }
});

Deno.test("MessageLog shows edits, deletions, reactions and receipts", () => {
  const log = logOf(came(message(1)), came(message(2, "ann")), came(message(3)));
  log.apply(edited("m1", 4, "edited"));
  log.apply(reacted("m3", 5, "ann"));
  log.apply(reacted("m3", 6, "bob"));
  log.apply(reacted("m3", 7, "ann", true));
  log.apply(deleted("m3", 8));
  log.apply(edited("m3", 9, "too late"));
  log.apply(read("m3", 10, "cy"));
  log.apply(read("m1", 11, "bob"));
  const [first, second, third] = log.list();
  assertEquals([first!.body, first!.edited_at], ["edited", AT]);
  assertEquals([third!.body, third!.reactions, third!.readers], ["", { "👍": ["bob"] }, ["cy"]]);
  assertEquals([second!.is_read, second!.read_at], [true, AT]);
  assertEquals([first!.is_read, first!.readers], [false, ["bob"]], "what others have read of others is not ours");
  log.apply(read("m3", 12, "ann"));
  assertEquals(log.list().map(({ is_read }) => is_read), [true, true, true]);
});

Deno.test("MessageLog keeps what was refused until it is sent again or discarded", () => {
  const log = logOf(came(message(1)));
  const error = new ChatError("forbidden", "no");
  for (const client_id of ["a", "b"]) log.sending({ type: "chat", room: "lobby", body: client_id, client_id }, AT);
  assertEquals(log.refused("a", error), true);
  assertEquals(log.refused("unknown", error), false);
  assertEquals(log.list().map(({ state, error }) => [state, error?.code]), [
    ["stored", undefined],
    ["failed", "forbidden"],
    ["sending", undefined],
  ]);
  log.discard("b");
  assertEquals(bodies(log), ["message 1", "a", "b"], "what is on its way cannot be discarded");
  log.sending(log.failed("a")!, AT);
  assertEquals(log.list().map(({ state }) => state), ["stored", "sending", "sending"]);
  log.refused("a", error);
  log.discard("a");
  assertEquals(bodies(log), ["message 1", "b"]);
});

Deno.test("MessageLog lets the oldest go beyond its bound, but never a page that was asked for", () => {
  const log = new MessageLog(3);
  for (let seq = 4; seq <= 7; seq++) log.apply(came(message(seq)));
  assertEquals([bodies(log), log.isCut, log.oldestSeq], [["message 5", "message 6", "message 7"], true, 5]);
  log.prepend([message(2), message(3), message(4)]);
  assertEquals([log.list().length, log.isCut], [6, false]);
  log.apply(came(message(8)));
  assertEquals([log.list().length, log.oldestSeq, log.isCut], [6, 3, true]);
});

Deno.test("MessageLog keeps the order where more came live than the first page holds, while that was asked for", () => {
  const log = logOf(...[1, 2, 3, 4, 5].map((seq) => came(message(seq))));
  log.prepend([message(3), message(4)]);
  assertEquals(log.list().map(({ seq }) => seq), [1, 2, 3, 4, 5]);
  log.prepend([]);
  assertEquals([log.list().length, log.oldestSeq], [5, 1]);
});

Deno.test("MessageLog gives the same object for what has not changed, so that nothing is rendered for it", () => {
  const log = logOf(came(message(1)), came(message(2)));
  const [first, second] = log.list();
  log.apply(reacted("m2", 3, "ann"));
  const [firstNow, secondNow] = log.list();
  assertStrictEquals(firstNow, first);
  assertEquals(secondNow === second, false);
});
