import { assertEquals, assertNotEquals } from "@std/assert";
import { LogFrame, Message, type Sender } from "../../shared/protocol/chat_server_frames.ts";
import type { Failure } from "../../shared/protocol/codes.ts";
import type { Result } from "../../shared/protocol/result.ts";
import {
  type LogEvent,
  type Role,
  type RoomKind,
  type Store,
  SYSTEM_USER,
  type Unread,
  type Write,
  type Written,
} from "../../shared/store/store.ts";
import { ensure } from "../store/ensure.ts";

/** A store to test, and what sets its rooms up: the SQL functions of the same names, called by the server. */
export interface OpenedStore {
  readonly store: Store;
  /** A second way to the same data, as another isolate has it; the same as `store` where there is none. */
  readonly other: Store;
  createRoom(kind: Exclude<RoomKind, "dm">, id: string, members: readonly string[]): Promise<void>;
  addMember(room: string, user: string, role?: Role): Promise<void>;
  removeMember(room: string, user: string): Promise<void>;
  /** Makes a user that the database knows. */
  newUser(name?: string): Promise<Sender>;
  close(): Promise<void>;
}

/** A backend to hold to the promises of `Store`. */
export interface StoreUnderTest {
  readonly name: string;
  readonly create: () => OpenedStore | Promise<OpenedStore>;
  readonly ignore?: boolean;
}

/** Registers one test for `name` with a step for each promise of the port; the store is opened once. */
export function testStore({ name, create, ignore = false }: StoreUnderTest): void {
  Deno.test({
    name: `Store: ${name}`,
    ignore,
    // Database drivers keep sockets and timers of their own between steps; what leaks is closed at the end.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(t) {
      const opened = await create();
      try {
        for (const [test, fn] of Object.entries(PROMISES)) {
          await t.step(test, () => fn(opened));
        }
      } finally {
        await opened.close();
      }
    },
  });
}

const NUL = String.fromCharCode(0);
const HALF_A_PAIR = "\ud83d";
const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

const PROMISES: Readonly<Record<string, (opened: OpenedStore) => Promise<void>>> = {
  async "post() gives each message the next seq of its room, from 1 on without a gap"(opened) {
    const { room, ann, bob } = await twoMembers(opened);
    const writes = Array.from({ length: 60 }, (_, index) => message(index % 2 ? ann : bob, room, `text ${index}`));
    const written = await posted(opened.store, writes);
    assertEquals(written.map(({ seq }) => seq), Array.from({ length: 60 }, (_, index) => index + 3));
    const page = await opened.store.eventsSince(room, 0, 100);
    assertEquals(page?.head, 62);
    assertEquals(page?.events.map(({ seq }) => seq), Array.from({ length: 62 }, (_, index) => index + 1));
  },

  async "post() gives seqs without a gap to batches that come at the same time"(opened) {
    const { room, ann, bob } = await twoMembers(opened);
    const second = await twoMembers(opened);
    const batches = Array.from({ length: 12 }, (_, batch) => {
      const here = Array.from({ length: 5 }, (_, index) => message(index % 2 ? ann : bob, room, `${batch}.${index}`));
      const there = Array.from({ length: 5 }, () => message(second.ann, second.room, "there"));
      return batch % 2 ? [...here, ...there] : [...there, ...here];
    });
    const results = await Promise.all(
      batches.map((batch, index) => posted(index % 2 ? opened.store : opened.other, batch)),
    );
    for (const { room: id } of [{ room }, second]) {
      const seqs = results.flat().filter((written) => written.room === id).map(({ seq }) => seq).sort((a, b) => a - b);
      assertEquals(seqs, Array.from({ length: 60 }, (_, index) => index + 3));
    }
  },

  async "post() gives a message as its sender wrote it, and the log gives it again"(opened) {
    const { room, ann } = await twoMembers(opened);
    const [first] = await posted(opened.store, [message(ann, room, "first")]);
    const [written] = await posted(opened.store, [{
      ...message(ann, room, 'a "quoted" line\nand ünïcode 🎈 \\u0000'),
      client_id: "c-1",
      subject: "Subject",
      reply_to: first!.id,
      data: { list: [1, "two", null, { deep: true }], "": 0.5 },
    }]);
    ensure(written?.event?.frame.type === "new_message");
    const { message: shown } = written.event.frame;
    assertEquals(shown, {
      id: written.id,
      room,
      seq: 4,
      sender: ann,
      community: room,
      subject: "Subject",
      body: 'a "quoted" line\nand ünïcode 🎈 \\u0000',
      data: { list: [1, "two", null, { deep: true }], "": 0.5 },
      reply_to: first!.id,
      client_id: "c-1",
      is_read: false,
      read_at: null,
      created_at: written.created_at,
      updated_at: written.created_at,
    });
    ensure(ISO.test(written.created_at), written.created_at);
    assertEquals((await opened.other.eventsSince(room, 3, 10))?.events, [written.event]);
    assertEquals(await historyOf(opened.other, ann.id, room), [shownIn(first!), shown]);
  },

  async "post() answers a retry with the first result, in the same batch, later, and with another content or room"(
    opened,
  ) {
    const { room, ann } = await twoMembers(opened);
    const elsewhere = await twoMembers(opened);
    await opened.addMember(elsewhere.room, ann.id);
    const write = { ...message(ann, room, "once"), client_id: "retry" };
    const [first, second] = await posted(opened.store, [write, write]);
    const [third, fourth] = await posted(opened.other, [{ ...write, body: "again" }, {
      ...write,
      room: elsewhere.room,
    }]);
    const { event: _, ...result } = first!;
    for (const retried of [second, third, fourth]) assertEquals(retried, result);
    assertEquals((await historyOf(opened.store, ann.id, room)).map(({ body }) => body), ["once"]);
  },

  async "post() stores one message where two connections race with one client_id"(opened) {
    const { room, ann } = await twoMembers(opened);
    const elsewhere = await twoMembers(opened);
    await opened.addMember(elsewhere.room, ann.id);
    for (let round = 0; round < 5; round++) {
      const ids = ["x", "y"].map((name) => `${name}-${round}`);
      const write = (id: string) => ({ ...message(ann, room, "raced"), client_id: id });
      const elsewhereWrite = (id: string) => ({ ...write(id), room: elsewhere.room });
      const [a, b] = await Promise.all([
        posted(opened.store, ids.map(write)),
        posted(opened.other, ids.toReversed().map(elsewhereWrite)),
      ]);
      assertEquals(a.map(({ id }) => id), b.toReversed().map(({ id }) => id));
      assertEquals([...a, ...b].filter(({ event }) => event !== undefined).length, 2);
    }
    assertGapless(await opened.store.eventsSince(room, 0, 100));
    assertGapless(await opened.store.eventsSince(elsewhere.room, 0, 100));
  },

  async "post() takes the same client_id of another user as another message"(opened) {
    const { room, ann, bob } = await twoMembers(opened);
    const write = { ...message(ann, room, "mine"), client_id: "same" };
    const [a, b] = await posted(opened.store, [write, { ...write, actor: bob }]);
    assertNotEquals(a!.id, b!.id);
  },

  async "post() refuses each write by itself and stores the others in order"(opened) {
    const { room, ann } = await twoMembers(opened);
    const results = await opened.store.post([
      message(ann, room, "one"),
      message(ann, room, `NUL ${NUL}`),
      message(ann, room, "two"),
      message(ann, room, HALF_A_PAIR),
      { ...message(ann, room, "data"), data: { [NUL]: 1 } },
      { ...message(ann, room, "data"), data: { a: [`${HALF_A_PAIR}x`] } },
      { ...message(ann, room, "data"), data: "x".repeat(70_000) },
      { ...message(ann, room, "data"), data: nested(2000) },
      message(ann, room, "x".repeat(16_001)),
      message(ann, room, ""),
      { ...message(ann, room, "id"), client_id: NUL },
      { ...message(ann, room, "id"), client_id: "x".repeat(129) },
      { ...message(ann, room, "reply"), reply_to: "' or true --" },
      message(ann, "no such room", "lost"),
      message(ann, `nowhere-${room}`, "lost"),
      message(ann, room, "three"),
    ]);
    assertEquals(results.map(codeOf), [
      "ok",
      "bad_request",
      "ok",
      "bad_request",
      "bad_request",
      "bad_request",
      "too_large",
      "bad_request",
      "too_large",
      "bad_request",
      "bad_request",
      "bad_request",
      "message_not_found",
      "room_not_found",
      "room_not_found",
      "ok",
    ]);
    assertEquals((await historyOf(opened.store, ann.id, room)).map(({ body }) => body), ["one", "two", "three"]);
  },

  async "post() takes the longest body, an empty one with data, and nothing at all"(opened) {
    const { room, ann } = await twoMembers(opened);
    const [long, empty] = await posted(opened.store, [
      message(ann, room, "🎈".repeat(8000)),
      { ...message(ann, room, ""), data: { image: "x" } },
    ]);
    assertEquals(shownIn(long!).body.length, 16_000);
    assertEquals(shownIn(empty!).data, { image: "x" });
    assertEquals(await opened.store.post([]), []);
  },

  async "post() keeps what looks like code or markup as text"(opened) {
    const { room, ann } = await twoMembers(opened);
    const bodies = [
      "'); drop table messages; --",
      '{"kind":"delete"}',
      "<script>",
      "$1 %s \\ \\u0041",
      "null",
      "__proto__",
    ];
    await posted(
      opened.store,
      bodies.map((body) => ({ ...message(ann, room, body), data: JSON.parse(`{"__proto__":1}`) })),
    );
    const messages = await historyOf(opened.store, ann.id, room);
    assertEquals(messages.map(({ body }) => body), bodies);
    assertEquals(JSON.stringify(messages[0]!.data), `{"__proto__":1}`);
  },

  async "post() tells one who is no member nothing of a private room, and that he may not write in a public one"(
    opened,
  ) {
    const { room, ann, bob, eve } = await twoMembers(opened);
    const open = `${room}-open`;
    await opened.createRoom("public", open, [ann.id, bob.id]);
    const [hidden, shown] = await posted(opened.store, [message(ann, room, "secret"), message(ann, open, "hello")]);
    const attempts = (room: string, id: string): Write[] => [
      message(eve, room, "let me in"),
      { kind: "edit", actor: eve, message_id: id, body: "changed" },
      { kind: "delete", actor: eve, message_id: id },
      { kind: "react", actor: eve, message_id: id, emoji: "👀", remove: false },
      { kind: "read", actor: eve, message_id: id },
    ];
    const inPrivate = await opened.store.post(attempts(room, hidden!.id));
    const inNothing = await opened.store.post(attempts(`${room}-none`, crypto.randomUUID()));
    assertEquals(inPrivate, inNothing);
    assertEquals(inPrivate.map(codeOf), ["room_not_found", ...Array(4).fill("message_not_found")]);
    assertEquals((await opened.store.post(attempts(open, shown!.id))).map(codeOf), Array(5).fill("forbidden"));
    const reply = { ...message(ann, open, "reply"), reply_to: hidden!.id };
    assertEquals((await opened.store.post([reply])).map(codeOf), ["message_not_found"]);
    assertEquals((await opened.store.eventsSince(room, 3, 10))?.events, []);
    assertEquals((await opened.store.eventsSince(open, 3, 10))?.events, []);
  },

  async "post() edits a message for its author alone"(opened) {
    const { room, ann, bob } = await twoMembers(opened);
    await opened.addMember(room, bob.id, "owner");
    const [sent] = await posted(opened.store, [message(ann, room, "draft")]);
    const edit = { kind: "edit", actor: ann, message_id: sent!.id, body: "final" } as const;
    const [edited, again] = await posted(opened.store, [edit, edit]);
    ensure(edited?.event?.frame.type === "message_edited");
    const { edited_at } = edited.event.frame;
    assertEquals(edited.event, {
      room,
      seq: 5,
      frame: { type: "message_edited", room, seq: 5, message_id: sent!.id, user_id: ann.id, body: "final", edited_at },
    });
    assertEquals([edited.id, edited.seq, edited.created_at], [sent!.id, 5, edited_at]);
    assertEquals(again, { id: sent!.id, room, seq: 4, created_at: sent!.created_at });
    const refused = await opened.store.post([{ ...edit, actor: bob }, { ...edit, body: "" }, { ...edit, body: NUL }]);
    assertEquals(refused.map(codeOf), ["forbidden", "bad_request", "bad_request"]);
    const [now] = await historyOf(opened.store, ann.id, room);
    assertEquals([now?.body, now?.edited_at, now?.updated_at], ["final", edited_at, edited_at]);
  },

  async "post() deletes a message for its author, an owner or a moderator, and once"(opened) {
    const { room, ann, bob, eve } = await twoMembers(opened);
    await opened.addMember(room, eve.id, "moderator");
    const sent = await posted(opened.store, [
      message(bob, room, "a"),
      message(ann, room, "b"),
      message(bob, room, "c"),
    ]);
    const remove = (actor: Sender, index: number) => ({ kind: "delete", actor, message_id: sent[index]!.id }) as const;
    const results = await opened.store.post([
      remove(bob, 0),
      remove(bob, 0),
      remove(bob, 1),
      remove(eve, 2),
      { kind: "edit", actor: bob, message_id: sent[0]!.id, body: "back" },
      { kind: "react", actor: bob, message_id: sent[0]!.id, emoji: "👍", remove: false },
    ]);
    assertEquals(results.map(codeOf), ["ok", "ok", "forbidden", "ok", "message_not_found", "message_not_found"]);
    const [byAuthor, again, , byModerator] = results.map((result) => result.ok ? result.value : undefined);
    ensure(byAuthor?.event?.frame.type === "message_deleted");
    assertEquals(byAuthor.event.frame.user_id, bob.id);
    assertEquals(again, { id: sent[0]!.id, room, seq: sent[0]!.seq, created_at: sent[0]!.created_at });
    ensure(byModerator?.event?.frame.type === "message_deleted");
    assertEquals(byModerator.event.frame.user_id, eve.id);
  },

  async "eventsSince() and history() show a message as it is now: what was deleted does not come out again"(opened) {
    const { room, ann, bob } = await twoMembers(opened);
    const [kept, gone] = await posted(opened.store, [
      message(ann, room, "first words"),
      { ...message(ann, room, "a secret"), subject: "secret", data: { secret: 1 } },
    ]);
    await posted(opened.store, [
      { kind: "edit", actor: ann, message_id: kept!.id, body: "second words" },
      { kind: "react", actor: bob, message_id: kept!.id, emoji: "👍", remove: false },
      { kind: "edit", actor: ann, message_id: gone!.id, body: "another secret" },
      { kind: "react", actor: bob, message_id: gone!.id, emoji: "👍", remove: false },
      { kind: "delete", actor: ann, message_id: gone!.id },
    ]);
    const page = await opened.store.eventsSince(room, 2, 100);
    const text = JSON.stringify([page, await historyOf(opened.store, bob.id, room)]);
    ensure(!/secret|first words/.test(text), text);
    const frames = page!.events.map(({ frame }) => frame);
    assertEquals(frames.map(({ type }) => type), [
      "new_message",
      "new_message",
      "message_edited",
      "reaction",
      "message_edited",
      "reaction",
      "message_deleted",
    ]);
    ensure(frames[0]?.type === "new_message" && frames[1]?.type === "new_message");
    assertEquals([frames[0].message.body, frames[0].message.reactions], ["second words", { "👍": [bob.id] }]);
    const { message: empty } = frames[1];
    assertEquals([empty.body, empty.subject, empty.data, empty.reactions], ["", undefined, undefined, undefined]);
    ensure(frames[6]?.type === "message_deleted");
    assertEquals(empty.deleted_at, frames[6].deleted_at);
    for (const frame of frames) LogFrame.parse(frame);
  },

  async "post() keeps who reacted with what, and each of it once"(opened) {
    const { room, ann, bob } = await twoMembers(opened);
    const [sent] = await posted(opened.store, [message(ann, room, "a joke")]);
    const react = (actor: Sender, emoji: string, remove = false) =>
      ({ kind: "react", actor, message_id: sent!.id, emoji, remove }) as const;
    const results = await posted(opened.store, [
      react(bob, "😂"),
      react(bob, "😂"),
      react(ann, "😂"),
      react(bob, "👍"),
      react(bob, "👍", true),
      react(bob, "👎", true),
    ]);
    assertEquals(results.map(({ event }) => event?.frame.type === "reaction" && !event.frame.removed), [
      true,
      false,
      true,
      true,
      false,
      false,
    ]);
    assertEquals(results[4]!.event?.frame, {
      type: "reaction",
      room,
      seq: 7,
      message_id: sent!.id,
      user_id: bob.id,
      emoji: "👍",
      removed: true,
    });
    assertEquals(results[5], { id: sent!.id, room, seq: 3, created_at: sent!.created_at });
    const [shown] = await historyOf(opened.store, ann.id, room);
    assertEquals(shown?.reactions, { "😂": [bob.id, ann.id] });
    const hostile = await opened.store.post([react(bob, ""), react(bob, NUL), react(bob, "x".repeat(33))]);
    assertEquals(hostile.map(codeOf), Array(3).fill("bad_request"));
    const many = await opened.store.post(Array.from({ length: 21 }, (_, index) => react(ann, `e${index}`)));
    assertEquals(many.map(codeOf).slice(18), ["ok", "unprocessable", "unprocessable"]);
  },

  async "a read position only grows, and the log tells the room"(opened) {
    const { room, ann, bob } = await twoMembers(opened);
    const sent = await posted(opened.store, ["a", "b", "c"].map((body) => message(ann, room, body)));
    const read = (index: number) => ({ kind: "read", actor: bob, message_id: sent[index]!.id }) as const;
    const [second, first] = await posted(opened.store, [read(1), read(0)]);
    assertEquals(second!.event?.frame, {
      type: "message_read",
      room,
      seq: 6,
      message_id: sent[1]!.id,
      user_id: bob.id,
      read_at: second!.created_at,
    });
    assertEquals(first, { id: sent[0]!.id, room, seq: 3, created_at: sent[0]!.created_at });
    assertEquals(await opened.store.unread(bob.id, room), { ok: true, value: { count: 1, asOf: 6 } });
    await posted(opened.store, [read(2)]);
    assertEquals(await opened.store.unread(bob.id, room), { ok: true, value: { count: 0, asOf: 7 } });
  },

  async "unread() counts what others wrote since one joined, in a room and in all"(opened) {
    const { room, ann, bob, eve } = await twoMembers(opened);
    const second = `${room}-second`;
    await opened.createRoom("public", second, [ann.id, bob.id]);
    const [first] = await posted(opened.store, [
      message(ann, room, "a"),
      message(bob, room, "b"),
      message(ann, room, "c"),
      message(ann, second, "d"),
    ]);
    await opened.addMember(room, eve.id);
    await posted(opened.store, [message(ann, room, "e")]);
    const counts = async (user: Sender) =>
      await Promise.all([
        opened.store.unread(user.id, room),
        opened.store.unread(user.id, second),
        opened.store.unread(user.id),
      ]);
    const of = (count: number, asOf?: number) =>
      ({ ok: true, value: { count, ...(asOf !== undefined && { asOf }) } }) as const;
    assertEquals(await counts(bob), [of(3, 7), of(1, 3), of(4)]);
    assertEquals(await counts(ann), [of(1, 7), of(0, 3), of(1)]);
    const [here, there, all] = await counts(eve);
    assertEquals([here, codeOf(there!), all], [of(1, 7), "forbidden", of(1)]);
    await posted(opened.store, [{ kind: "delete", actor: ann, message_id: first!.id }]);
    assertEquals(await opened.store.unread(bob.id, room), of(2, 8));
    assertEquals(codeOf(await opened.store.unread(eve.id, `${room}-none`)), "room_not_found");
    await opened.createRoom("private", `${room}-private`, [ann.id]);
    assertEquals(codeOf(await opened.store.unread(eve.id, `${room}-private`)), "room_not_found");
  },

  async "a count of one room and where its log ended then are of one moment, while others write"(opened) {
    const { room, ann, bob } = await twoMembers(opened);
    let isWriting = true;
    const writing = (async () => {
      for (let i = 0; i < 20; i++) await posted(opened.store, [message(ann, room, `${i}`)]);
    })().finally(() => isWriting = false);
    const counts: Unread[] = [];
    while (isWriting) {
      const unread = await opened.other.unread(bob.id, room);
      ensure(unread.ok);
      counts.push(unread.value);
    }
    await writing;
    // The log is two who joined and the messages.
    assertEquals(counts.map(({ asOf }) => asOf), counts.map(({ count }) => count + 2));
  },

  async "history() says what the one who asks has read, and of his own what others have"(opened) {
    const { room, ann, bob, eve } = await twoMembers(opened);
    const sent = await posted(opened.store, [
      message(ann, room, "a"),
      message(bob, room, "b"),
      message(ann, room, "c"),
    ]);
    await opened.addMember(room, eve.id);
    const [read] = await posted(opened.store, [{ kind: "read", actor: bob, message_id: sent[0]!.id }]);
    const receipts = async (user: Sender) =>
      (await historyOf(opened.store, user.id, room)).map(({ is_read }) => is_read);
    assertEquals(await receipts(ann), [true, false, false]);
    assertEquals(await receipts(bob), [true, false, false]);
    assertEquals(await receipts(eve), [true, true, true]);
    const [forAnn] = await historyOf(opened.store, ann.id, room);
    assertEquals(forAnn?.read_at, read!.created_at);
  },

  async "history() gives pages from the newest back, each oldest first"(opened) {
    const { room, ann, bob } = await twoMembers(opened);
    await posted(opened.store, Array.from({ length: 5 }, (_, index) => message(ann, room, `${index}`)));
    const page = async (before: number | undefined, limit: number) => {
      const result = await opened.store.history(bob.id, room, before, limit);
      ensure(result.ok);
      for (const shown of result.value.messages) Message.parse(shown);
      return [result.value.messages.map(({ body }) => body).join(""), result.value.more];
    };
    assertEquals(await page(undefined, 2), ["34", true]);
    assertEquals(await page(6, 2), ["12", true]);
    assertEquals(await page(4, 2), ["0", false]);
    assertEquals(await page(3, 2), ["", false]);
    assertEquals(await page(undefined, 5), ["01234", false]);
    assertEquals(await page(undefined, 0), ["4", true]);
  },

  async "pages of history() and eventsSince() end early where messages are large, and nothing is left out"(opened) {
    const { room, ann } = await twoMembers(opened);
    const large = "x".repeat(60_000);
    const writes = Array.from({ length: 30 }, (_, index) => ({ ...message(ann, room, `${index}`), data: large }));
    for (const part of [writes.slice(0, 15), writes.slice(15)]) await posted(opened.store, part);
    const bodies: string[] = [];
    let before: number | undefined;
    for (let more = true; more;) {
      const page = await opened.store.history(ann.id, room, before, 200);
      ensure(page.ok);
      assertEquals(page.value.messages.length < 20, true);
      bodies.unshift(...page.value.messages.map(({ body }) => body));
      before = page.value.messages[0]?.seq;
      more = page.value.more;
    }
    const all = writes.map(({ body }) => body);
    assertEquals(bodies, all);
    const seen: number[] = [];
    for (let since = 2; since < 32; since = seen.at(-1)!) {
      const { events, head } = (await opened.store.eventsSince(room, since, 200))!;
      assertEquals([events.length > 0 && events.length < 20, head], [true, 32]);
      seen.push(...events.map(({ seq }) => seq));
    }
    assertEquals(seen, Array.from({ length: 30 }, (_, index) => index + 3));
  },

  async "history() is for members, and in public rooms for all"(opened) {
    const { room, ann, eve } = await twoMembers(opened);
    const open = `${room}-open`;
    await opened.createRoom("public", open, [ann.id]);
    await posted(opened.store, [message(ann, room, "secret"), message(ann, open, "hello")]);
    assertEquals((await historyOf(opened.store, eve.id, open)).map(({ body }) => body), ["hello"]);
    const hidden = await opened.store.history(eve.id, room, undefined, 10);
    assertEquals(codeOf(hidden), "room_not_found");
    assertEquals(await opened.store.history(eve.id, `${room}-none`, undefined, 10), hidden);
  },

  async "join() makes a public room or finds it, and says in the log who came"(opened) {
    const [ann, bob] = await users(opened, 2);
    const room = newRoomId();
    assertEquals(codeOf(await opened.store.join(ann!, room, { createRooms: false })), "room_not_found");
    const created = await opened.store.join(ann!, room, { createRooms: true });
    ensure(created.ok);
    const { epoch } = created.value;
    ensure(epoch.length > 0 && epoch.length <= 64);
    const frame = { type: "member", room, seq: 1, user_id: ann!.id, role: "owner", change: "added" } as const;
    const view = { room, kind: "public", epoch, head: 1, role: "owner" } as const;
    assertEquals(created.value, { ...view, event: { room, seq: 1, frame } });
    assertEquals(await opened.other.join(ann!, room, { createRooms: true }), { ok: true, value: view });
    const joined = await opened.other.join(bob!, room, { createRooms: false });
    ensure(joined.ok);
    assertEquals([joined.value.role, joined.value.head, joined.value.event?.seq], ["member", 2, 2]);
    assertEquals((await opened.store.eventsSince(room, 1, 10))?.events, [joined.value.event!]);
  },

  async "join() makes one room and one membership where many come at once"(opened) {
    const ann = await opened.newUser("Ann");
    const room = newRoomId();
    const joins = await Promise.all(
      [opened.store, opened.other, opened.store, opened.other].map((store) =>
        store.join(ann, room, { createRooms: true })
      ),
    );
    assertEquals(joins.map(codeOf), Array(4).fill("ok"));
    assertEquals(joins.filter((join) => join.ok && join.value.event !== undefined).length, 1);
    assertEquals((await opened.store.eventsSince(room, 0, 10))?.head, 1);
  },

  async "join() lets no one into a private or direct room, and does not say whether it exists"(opened) {
    const { room, ann, bob, eve } = await twoMembers(opened);
    const direct = await opened.store.openDirect(ann, bob.id);
    ensure(direct.ok);
    const refusal = await opened.store.join(eve, `${room}-none`, { createRooms: false });
    assertEquals(codeOf(refusal), "room_not_found");
    const unopened = `dm:${[ann.id, eve.id].sort().join(":")}`;
    for (const id of [room, direct.value.room, unopened, "dm:x", "no room", "", "x".repeat(129), NUL]) {
      assertEquals(await opened.store.join(eve, id, { createRooms: true }), refusal, id);
    }
    const joined = await opened.store.join(ann, room, { createRooms: false });
    ensure(joined.ok);
    assertEquals([joined.value.kind, joined.value.role, joined.value.event], ["private", "owner", undefined]);
  },

  async "openDirect() gives two users one room, from either side"(opened) {
    const [ann, bob] = await users(opened, 2);
    const [a, b] = await Promise.all([
      opened.store.openDirect(ann!, bob!.id),
      opened.other.openDirect(bob!, ann!.id.toUpperCase()),
    ]);
    ensure(a.ok && b.ok);
    assertEquals(a.value, b.value);
    const room = `dm:${[ann!.id, bob!.id].sort().join(":")}`;
    assertEquals(a.value, { room, kind: "dm", epoch: a.value.epoch, head: 2, role: "member" });
    const [sent] = await posted(opened.store, [message(ann!, room, "hi")]);
    assertEquals([shownIn(sent!).recipient, shownIn(sent!).community], [bob!.id, undefined]);
    const [answer] = await posted(opened.store, [message(bob!, room, "hi")]);
    assertEquals(shownIn(answer!).recipient, ann!.id);
  },

  async "openDirect() refuses oneself and who does not exist"(opened) {
    const ann = await opened.newUser("Ann");
    assertEquals(codeOf(await opened.store.openDirect(ann, ann.id)), "bad_request");
    assertEquals(codeOf(await opened.store.openDirect(ann, "nobody")), "not_found");
  },

  async "openDirect() refuses a user that the database does not know"(opened) {
    const ann = await opened.newUser("Ann");
    assertEquals(codeOf(await opened.store.openDirect(ann, crypto.randomUUID())), "not_found");
  },

  async "eventsSince() gives pages of the log, and nothing for a room that does not exist"(opened) {
    const { room, ann } = await twoMembers(opened);
    await posted(opened.store, Array.from({ length: 4 }, (_, index) => message(ann, room, `${index}`)));
    const page = await opened.store.eventsSince(room, 1, 3);
    ensure(page !== undefined);
    assertEquals(page.events.map(({ seq, room: id }) => [id, seq]), [[room, 2], [room, 3], [room, 4]]);
    assertEquals([page.head, page.floor], [6, 0]);
    assertEquals((await opened.store.eventsSince(room, 6, 3))?.events, []);
    assertEquals((await opened.store.eventsSince(room, 99, 3))?.events, []);
    assertEquals(await opened.store.eventsSince(`${room}-none`, 0, 3), undefined);
  },

  async "heads() tells where logs end and which rooms users are in"(opened) {
    const { room, ann, bob, eve } = await twoMembers(opened);
    const [sent] = await posted(opened.store, [message(ann, room, "a")]);
    const { heads, roomsOfUsers } = await opened.store.heads([room, `${room}-none`], [ann.id, eve.id]);
    const { epoch } = (await opened.store.eventsSince(room, 0, 1))!;
    assertEquals(heads, new Map([[room, { epoch, head: sent!.seq }]]));
    assertEquals(roomsOfUsers.get(ann.id), [{ room, kind: "private", epoch, head: 3, role: "owner" }]);
    assertEquals(roomsOfUsers.get(eve.id), []);
    assertEquals(roomsOfUsers.has(bob.id), false);
    assertEquals(await opened.store.heads([], []), { heads: new Map(), roomsOfUsers: new Map() });
  },

  async "changes() tells which logs go on and whose rooms are others than was known, and nothing else"(opened) {
    const { room, ann, bob, eve } = await twoMembers(opened);
    const other = (await twoMembers(opened)).room;
    const { heads } = await opened.store.heads([room, other], []);
    const nobody = crypto.randomUUID();
    const users = new Map([ann, bob, eve, { id: nobody }].map(({ id }) => [id, undefined as string | undefined]));
    const first = await opened.store.changes({ heads, digests: users });
    assertEquals([...first.heads], []);
    assertEquals([...first.roomsOfUsers.keys()].sort(), [...users.keys()].sort());
    for (const [user, { rooms }] of first.roomsOfUsers) {
      assertEquals(rooms, (await opened.store.heads([], [user])).roomsOfUsers.get(user));
    }
    const digests = new Map([...first.roomsOfUsers].map(([user, { digest }]) => [user, digest]));
    assertEquals(await opened.store.changes({ heads, digests }), { heads: new Map(), roomsOfUsers: new Map() });

    const [sent] = await posted(opened.store, [message(ann, room, "a")]);
    const { epoch } = heads.get(room)!;
    const grown = await opened.store.changes({ heads, digests });
    assertEquals(grown, { heads: new Map([[room, { epoch, head: sent!.seq }]]), roomsOfUsers: new Map() });
    const past = { epoch: "another", head: sent!.seq };
    const known = new Map([[room, past], [`${room}-none`, past], ["no room id", past]]);
    assertEquals((await opened.store.changes({ heads: known, digests: new Map() })).heads, grown.heads);

    const now = new Map(digests);
    const isChanged = async (users: readonly { id: string }[], why: string) => {
      const { roomsOfUsers } = await opened.store.changes({ heads: new Map(), digests: now });
      assertEquals([...roomsOfUsers.keys()].sort(), users.map(({ id }) => id).sort(), why);
      for (const [user, { digest, rooms }] of roomsOfUsers) {
        now.set(user, digest);
        assertEquals(rooms, (await opened.store.heads([], [user])).roomsOfUsers.get(user));
      }
    };
    await opened.addMember(room, eve.id);
    await isChanged([eve], "added");
    await opened.addMember(room, eve.id, "moderator");
    await isChanged([eve], "promoted");
    await opened.removeMember(room, eve.id);
    await opened.removeMember(room, bob.id);
    await isChanged([bob, eve], "removed");
    assertEquals(now.get(eve.id), digests.get(eve.id), "as before he came");
    await isChanged([], "nothing since");
    assertEquals(
      await opened.store.changes({ heads: new Map(), digests: new Map([["no user", undefined]]) }).then(
        ({ roomsOfUsers }) => [...roomsOfUsers.values()].flatMap(({ rooms }) => rooms),
      ),
      [],
    );
  },

  async "a member who is added, promoted and removed shows in the log, and then has no access"(opened) {
    const { room, ann, eve } = await twoMembers(opened);
    const [sent] = await posted(opened.store, [message(ann, room, "a")]);
    await opened.addMember(room, eve.id);
    await opened.addMember(room, eve.id);
    await opened.addMember(room, eve.id, "moderator");
    const [own] = await posted(opened.store, [message(eve, room, "mine")]);
    await opened.removeMember(room, eve.id);
    await opened.removeMember(room, eve.id);
    const members = (await opened.store.eventsSince(room, 3, 10))!.events.map(({ frame }) => frame);
    const frame = { type: "member", room, user_id: eve.id } as const;
    assertEquals(members.filter(({ type }) => type === "member"), [
      { ...frame, seq: 4, role: "member", change: "added" },
      { ...frame, seq: 5, role: "moderator", change: "role" },
      { ...frame, seq: 7, role: "moderator", change: "removed" },
    ]);
    const results = await opened.store.post([
      message(eve, room, "still here?"),
      { kind: "read", actor: eve, message_id: sent!.id },
      { kind: "edit", actor: eve, message_id: own!.id, body: "changed" },
      { kind: "delete", actor: eve, message_id: own!.id },
    ]);
    assertEquals(results.map(codeOf), ["room_not_found", ...Array(3).fill("message_not_found")]);
    assertEquals(codeOf(await opened.store.history(eve.id, room, undefined, 10)), "room_not_found");
    assertEquals(codeOf(await opened.store.join(eve, room, { createRooms: true })), "room_not_found");
    assertEquals((await opened.store.heads([], [eve.id])).roomsOfUsers.get(eve.id), []);
  },

  async "post() and openDirect() let the system's user write to every room and user, and nothing else"(opened) {
    const { room, ann } = await twoMembers(opened);
    const system = { id: SYSTEM_USER, name: "system" };
    const job = { ...message(system, room, "from a job"), client_id: `job-${room}` };
    const [written, again] = await posted(opened.store, [job, job]);
    assertEquals(shownIn(written!).sender, system);
    assertEquals([again!.id, again!.event], [written!.id, undefined]);
    const refused = await opened.store.post([
      message(system, newRoomId(), "nowhere"),
      { kind: "delete", actor: system, message_id: written!.id },
      { kind: "read", actor: system, message_id: written!.id },
    ]);
    assertEquals(refused.map(codeOf), ["room_not_found", "message_not_found", "message_not_found"]);

    assertEquals(codeOf(await opened.store.openDirect(ann, SYSTEM_USER)), "not_found");
    const direct = await opened.store.openDirect(system, ann.id);
    ensure(direct.ok);
    assertEquals([direct.value.room, direct.value.head], [`dm:${[ann.id, SYSTEM_USER].sort().join(":")}`, 1]);
    const [notice] = await posted(opened.store, [message(system, direct.value.room, "to Ann")]);
    const [answer] = await posted(opened.store, [message(ann, direct.value.room, "from Ann")]);
    assertEquals([shownIn(notice!).recipient, shownIn(answer!).recipient], [ann.id, SYSTEM_USER]);
    assertEquals(await opened.store.unread(ann.id, direct.value.room), { ok: true, value: { count: 1, asOf: 3 } });
    assertEquals(codeOf(await opened.store.openDirect(ann, SYSTEM_USER)), "ok");
  },
};

/** A private room with Ann (its owner) and Bob in it, at head 2, and Eve outside. */
async function twoMembers(opened: OpenedStore) {
  const [ann, bob, eve] = await users(opened, 3);
  const room = newRoomId();
  await opened.createRoom("private", room, [ann!.id, bob!.id]);
  return { room, ann: ann!, bob: bob!, eve: eve! };
}

function users(opened: OpenedStore, count: number): Promise<Sender[]> {
  return Promise.all(["Ann", "Bob", "Eve"].slice(0, count).map((name) => opened.newUser(name)));
}

function newRoomId(): string {
  return `room-${crypto.randomUUID()}`;
}

function message(actor: Sender, room: string, body: string) {
  return { kind: "message", actor, room, body } as const;
}

async function posted(store: Store, writes: readonly Write[]): Promise<Written[]> {
  const results = await store.post(writes);
  return results.map((result, index) => {
    ensure(result.ok, `${JSON.stringify(writes[index])}: ${JSON.stringify(result)}`);
    if (result.value.event !== undefined) assertShows(result.value, result.value.event);
    return result.value;
  });
}

function assertShows(written: Written, event: LogEvent): void {
  assertEquals([event.room, event.seq], [written.room, written.seq]);
  LogFrame.parse(event.frame);
}

function assertGapless(page: { events: readonly LogEvent[] } | undefined): void {
  assertEquals(page?.events.map(({ seq }) => seq), page?.events.map((_, index) => index + 1));
}

function shownIn(written: Written): Message {
  ensure(written.event?.frame.type === "new_message");
  return written.event.frame.message;
}

async function historyOf(store: Store, user: string, room: string): Promise<readonly Message[]> {
  const result = await store.history(user, room, undefined, 100);
  ensure(result.ok, JSON.stringify(result));
  return result.value.messages;
}

function codeOf(result: Result<unknown, Failure>): string {
  return result.ok ? "ok" : result.error.code;
}

function nested(levels: number): unknown {
  return JSON.parse("[".repeat(levels) + "]".repeat(levels));
}
