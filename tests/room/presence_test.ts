import { assert, assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import fc from "fast-check";
import { seededRandom } from "../support/seeded_random.ts";
import { Presence, type PresenceHint, type PresenceOptions } from "../../shared/room/presence.ts";

/** The presence of one room on several isolates, joined by a bus that `fate` decides about: 0 drops, 2 doubles, 1 delivers. */
class Isolates {
  /** What the members of each isolate were told, in words. */
  readonly announced: Record<string, string[]> = {};
  readonly #presences = new Map<string, Presence>();
  readonly #fate: (from: string, hint: PresenceHint) => { copies: number; delayMs: number };

  constructor(
    fate: (from: string, hint: PresenceHint) => { copies: number; delayMs: number } = () => ({ copies: 1, delayMs: 0 }),
  ) {
    this.#fate = fate;
  }

  /** Opens the room on an isolate, which hears nothing before `readyAfterMs`. */
  open(id: string, { leaveGraceMs = 1_000, firstVersion = 0, answerMs = 50, readyAfterMs = 0 } = {}): Presence {
    this.announced[id] = [];
    const presence = new Presence({
      isolateId: id,
      firstVersion,
      leaveGraceMs,
      answerMs,
      others: () => [...this.#presences.keys()].filter((other) => other !== id),
      announce: (news) => {
        for (const [kind, members] of Object.entries(news)) {
          for (const { user_id } of members) this.announced[id]!.push(`${kind} ${user_id}`);
        }
      },
      publish: (hint) => this.#publish(id, hint),
    });
    const stand = () => {
      this.#presences.set(id, presence);
      presence.ready();
    };
    if (readyAfterMs === 0) stand();
    else if (readyAfterMs < Infinity) setTimeout(stand, readyAfterMs);
    return presence;
  }

  /** Gives up what an isolate holds, as one that is not heard of is given up. */
  drop(id: string): void {
    for (const [other, presence] of this.#presences) if (other !== id) presence.drop(id);
  }

  kill(id: string): void {
    this.#presences.get(id)?.close();
    this.#presences.delete(id);
    this.drop(id);
  }

  beat(): void {
    for (const id of this.#presences.keys()) this.beatOf(id);
  }

  beatOf(id: string): void {
    const version = this.#presences.get(id)?.beat();
    if (version !== undefined) this.#publish(id, { kind: "presence", version });
  }

  /** Ends the room on an isolate, which says nothing of it, or on all. */
  close(id?: string): void {
    for (const [isolateId, presence] of this.#presences) if (id === undefined || isolateId === id) presence.close();
    if (id !== undefined) this.#presences.delete(id);
  }

  #publish(from: string, hint: PresenceHint): void {
    for (const [id, presence] of this.#presences) {
      if (id === from) continue;
      const { copies, delayMs } = this.#fate(from, hint);
      for (let copy = 0; copy < copies; copy++) setTimeout(() => presence.hear(from, hint), delayMs * (copy + 1));
    }
  }
}

/** The presence of a room on isolate A, which is ready and, if not told otherwise, alone. */
function readyPresence(options: Partial<PresenceOptions>): Presence {
  const alone = { isolateId: "A", firstVersion: 0, leaveGraceMs: 0, answerMs: 0, others: () => [] };
  const presence = new Presence({ ...alone, announce() {}, publish() {}, ...options });
  presence.ready();
  return presence;
}

function users(presence: Presence): [string, number][] {
  const members = (presence.list() ?? []).flatMap(({ state = [], joined = [] }) => [...state, ...joined]);
  return members.map(({ user_id, connections }): [string, number] => [user_id, connections]).sort();
}

/** Whom the members of an isolate take for present after what they were told; who is there comes only once he has left. */
function shownBy(announced: readonly string[]): string[] {
  const shown = new Set<string>();
  for (const word of announced) {
    const [kind, user] = word.split(" ") as [string, string];
    assert(kind === "left" ? shown.delete(user) : !shown.has(user), `${user} joined and left in turn`);
    if (kind !== "left") shown.add(user);
  }
  return [...shown].sort();
}

/** Runs under a clock that is moved by hand. */
async function withClock(run: (clock: FakeTimers.Clock) => Promise<void>): Promise<void> {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    await run(clock);
    assertEquals(clock.countTimers(), 0, "a timer was left");
  } finally {
    clock.uninstall();
  }
}

Deno.test("a user is announced with his first connection and with his last, over all isolates", async () => {
  await withClock(async (clock) => {
    const isolates = new Isolates();
    const [a, b] = [isolates.open("A"), isolates.open("B")];
    await clock.tickAsync(50);
    a.enter("ann", "Ann", "A.1");
    await clock.tickAsync(10);
    b.enter("ann", "Ann", "B.1");
    await clock.tickAsync(10);
    assertEquals([users(a), users(b)], [[["ann", 2]], [["ann", 2]]]);
    a.exit("ann");
    await clock.tickAsync(5_000);
    assertEquals([users(a), users(b)], [[["ann", 1]], [["ann", 1]]]);
    b.exit("ann");
    await clock.tickAsync(900);
    assertEquals(isolates.announced, { A: ["joined ann"], B: ["joined ann"] });
    await clock.tickAsync(300);
    assertEquals(isolates.announced, { A: ["joined ann", "left ann"], B: ["joined ann", "left ann"] });
    isolates.close();
  });
});

Deno.test("a hand-over, and a kill that is followed by a reconnect, show no leave and no join", async () => {
  await withClock(async (clock) => {
    const isolates = new Isolates();
    const [a, b, c] = [isolates.open("A"), isolates.open("B"), isolates.open("C")];
    await clock.tickAsync(50);
    a.enter("ann", "Ann", "A.1");
    c.enter("eve", "Eve", "C.1");
    await clock.tickAsync(2_000);
    b.enter("ann", "Ann", "B.1");
    a.exit("ann");
    await clock.tickAsync(10_000);
    isolates.kill("B");
    await clock.tickAsync(500);
    a.enter("ann", "Ann", "A.2");
    await clock.tickAsync(10_000);
    assertEquals(isolates.announced.C, ["joined eve", "joined ann"]);
    assertEquals(users(c), [["ann", 1], ["eve", 1]]);
    isolates.close();
  });
});

Deno.test("an isolate that opens a room learns who is there, though its question is lost at first", async () => {
  await withClock(async (clock) => {
    let lose = false;
    const isolates = new Isolates(() => ({ copies: lose ? 0 : 1, delayMs: 1 }));
    isolates.open("A").enter("ann", "Ann", "A.1");
    await clock.tickAsync(20_000);
    lose = true;
    const b = isolates.open("B");
    await clock.tickAsync(100);
    lose = false;
    assertEquals(users(b), []);
    await clock.tickAsync(2_000);
    assertEquals(users(b), [["ann", 1]]);
    isolates.close();
  });
});

Deno.test("the first list is whole: it waits for the subscription, and for the answers of all who are alive", async () => {
  await withClock(async (clock) => {
    const isolates = new Isolates(() => ({ copies: 1, delayMs: 20 }));
    isolates.open("A").enter("ann", "Ann", "A.1");
    isolates.open("B").enter("bob", "Bob", "B.1");
    await clock.tickAsync(20_000);
    const c = isolates.open("C", { readyAfterMs: 300, answerMs: 1_000 });
    c.enter("eve", "Eve", "C.1");
    assertEquals(c.list(), undefined);
    await clock.tickAsync(330);
    assertEquals(c.list(), undefined);
    assertEquals(isolates.announced.C, [], "nobody is told a part of it");
    await clock.tickAsync(20);
    assertEquals(isolates.announced.C!.toSorted(), ["state ann", "state bob", "state eve"]);
    assertEquals(users(c), [["ann", 1], ["bob", 1], ["eve", 1]]);
    const d = isolates.open("D");
    assertEquals(d.list(), undefined);
    await clock.tickAsync(45);
    assertEquals(users(d).length, 3);
    await clock.tickAsync(20_000);
    assertEquals(isolates.announced.C!.length, 3);
    isolates.close();
  });
});

Deno.test("a list waits no longer than the others have to answer, and 1.5 s for a bus that is out of reach", async () => {
  await withClock(async (clock) => {
    const isolates = new Isolates(() => ({ copies: 0, delayMs: 0 }));
    isolates.open("A").enter("ann", "Ann", "A.1");
    const b = isolates.open("B", { readyAfterMs: 100, answerMs: 150 });
    b.enter("bob", "Bob", "B.1");
    assertEquals(b.list(), undefined);
    await clock.tickAsync(249);
    assertEquals(isolates.announced.B, []);
    await clock.tickAsync(1);
    assertEquals(isolates.announced.B, ["state bob"]);
    const c = isolates.open("C", { readyAfterMs: Infinity });
    await clock.tickAsync(1_499);
    assertEquals(c.list(), undefined);
    await clock.tickAsync(1);
    assertEquals(users(c), []);
    c.close();
    isolates.close();
  });
});

Deno.test("one who moves is never said to have left, however much the bus loses", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    await withClock(async (clock) => {
      const random = seededRandom(seed);
      const isolates = new Isolates(() => ({ copies: random() < 0.25 ? 0 : 1, delayMs: Math.floor(random() * 50) }));
      const presences = ["A", "B", "C"].map((id) => isolates.open(id, { leaveGraceMs: 2_000 }));
      await clock.tickAsync(2_000);
      presences[0]!.enter("ann", "Ann", "1");
      await clock.tickAsync(10_000);
      for (let move = 1; move <= 20; move++) {
        presences[move % 3]!.enter("ann", "Ann", `${move + 1}`);
        await clock.tickAsync(100);
        presences[(move - 1) % 3]!.exit("ann");
        await clock.tickAsync(4_000);
      }
      for (const [id, announced] of Object.entries(isolates.announced)) {
        assertEquals(announced, ["joined ann"], `isolate ${id}, seed ${seed}`);
      }
      isolates.close();
    });
  }
});

Deno.test("a move is told as often as it may be missed, and only where somebody else is in the room", async () => {
  await withClock(async (clock) => {
    const told: string[] = [];
    const isolates = new Isolates((from, { kind }) => {
      told.push(`${from} ${kind}`);
      return { copies: 1, delayMs: 1 };
    });
    const a = isolates.open("A");
    a.enter("ann", "Ann", "1");
    const b = isolates.open("B");
    await clock.tickAsync(20_000);
    told.length = 0;
    b.enter("ann", "Ann", "2");
    await clock.tickAsync(100);
    a.exit("ann");
    await clock.tickAsync(20_000);
    assertEquals(told.filter((word) => word.startsWith("B")), ["B present", ...Array(5).fill("B presence")]);
    assertEquals(told.filter((word) => word.startsWith("A")), ["A presence"], "he is shown all the same");

    let alone = 0;
    const d = new Presence({
      isolateId: "D",
      firstVersion: 0,
      leaveGraceMs: 1_000,
      answerMs: 50,
      others: () => ["A"],
      announce() {},
      publish: (hint) => alone += hint.kind === "who" ? 0 : 1,
    });
    d.ready();
    await clock.tickAsync(10_000);
    d.enter("eve", "Eve", "1");
    await clock.tickAsync(10_000);
    assertEquals(alone, 1);
    d.close();
    isolates.close();
  });
});

Deno.test("before one is said to have left, the others are asked whether he is with them", async () => {
  await withClock(async (clock) => {
    const isolates = new Isolates((from, { kind }) => ({
      copies: from === "B" && kind === "presence" ? 0 : 1,
      delayMs: 1,
    }));
    const [a, b, c] = ["A", "B", "C"].map((id) => isolates.open(id));
    b!.enter("bob", "Bob", "B.1");
    a!.enter("ann", "Ann", "A.1");
    await clock.tickAsync(10_000);
    b!.enter("ann", "Ann", "B.2");
    a!.exit("ann");
    await clock.tickAsync(10_000);
    assertEquals(users(c!), [["ann", 1], ["bob", 1]]);
    assertEquals(isolates.announced.C!.length, 2);
    isolates.close();
  });
});

Deno.test("each isolate asks twice before one is said to have left, also of those who leave one after the other", async () => {
  await withClock(async (clock) => {
    const asked: string[] = [];
    const isolates = new Isolates((from, { kind }) => {
      if (kind === "who") asked.push(from);
      return { copies: 1, delayMs: 1 };
    });
    const [a] = ["A", "B"].map((id) => isolates.open(id));
    a!.enter("ann", "Ann", "A.1");
    a!.enter("bob", "Bob", "A.2");
    await clock.tickAsync(10_000);
    asked.length = 0;
    a!.exit("ann");
    await clock.tickAsync(1_100);
    assertEquals([asked.toSorted(), isolates.announced.B!.at(-1)], [["A", "A", "B", "B"], "left ann"]);
    asked.length = 0;
    a!.enter("ann", "Ann", "A.3");
    await clock.tickAsync(5_000);
    a!.exit("ann");
    await clock.tickAsync(500);
    a!.exit("bob");
    await clock.tickAsync(5_000);
    assertEquals(asked.toSorted(), ["A", "A", "A", "B", "B", "B"]);
    assertEquals(isolates.announced.B!.slice(-2), ["left ann", "left bob"]);
    isolates.close();
  });
});

Deno.test("an isolate that was only silent is asked again what it holds", async () => {
  await withClock(async (clock) => {
    let isSilent = false;
    const isolates = new Isolates(() => ({ copies: isSilent ? 0 : 1, delayMs: 1 }));
    const [a, b] = [isolates.open("A"), isolates.open("B")];
    a.enter("ann", "Ann", "A.1");
    await clock.tickAsync(20_000);
    isSilent = true;
    isolates.drop("A");
    await clock.tickAsync(20_000);
    assertEquals(users(b), []);
    isSilent = false;
    b.returned("A");
    await clock.tickAsync(100);
    assertEquals(users(b), [["ann", 1]]);
    isolates.close();
  });
});

Deno.test("an isolate that let the room go while another could not hear is given up after three beats, and no other is", async () => {
  await withClock(async (clock) => {
    let isCut = false;
    const isolates = new Isolates((from) => ({ copies: isCut && from === "A" ? 0 : 1, delayMs: 0 }));
    const [a, b, c] = [isolates.open("A"), isolates.open("B"), isolates.open("C")];
    a.enter("ann", "Ann", "A.1");
    b.enter("bob", "Bob", "B.1");
    c.enter("eve", "Eve", "C.1");
    await clock.tickAsync(5_000);
    isCut = true;
    a.exit("ann");
    await clock.tickAsync(20_000);
    isolates.close("A");
    isCut = false;
    b.ready();
    await clock.tickAsync(5_000);
    for (let beat = 0; beat < 4; beat++) {
      assertEquals(users(b), [["ann", 1], ["bob", 1], ["eve", 1]]);
      b.beat();
      await clock.tickAsync(beat < 3 ? 5_000 : 2_000);
    }
    assertEquals(users(b), [["bob", 1], ["eve", 1]]);
    assertEquals(isolates.announced.B!.slice(-1), ["left ann"]);
    isolates.close();
  });
});

Deno.test("after a loss that nobody used to leave, nobody is said to have left", async () => {
  await withClock(async (clock) => {
    let asked = 0;
    let isCut = false;
    const isolates = new Isolates((from, { kind }) => {
      if (kind === "who") asked++;
      return { copies: isCut && from !== "B" ? 0 : 1, delayMs: 0 };
    });
    const [a, b] = [isolates.open("A"), isolates.open("B")];
    a.enter("ann", "Ann", "A.1");
    await clock.tickAsync(60_000);
    b.ready();
    isCut = true;
    for (let beat = 0; beat < 5; beat++) {
      await clock.tickAsync(5_000);
      if (beat === 1) isCut = false;
      asked = 0;
      b.beat();
      assertEquals(asked, beat <= 1 ? 1 : 0, `after beat ${beat}`);
    }
    await clock.tickAsync(5_000);
    assertEquals(isolates.announced.B, ["joined ann"]);
    isolates.close();
  });
});

Deno.test("who changes often is told of in hints of bounded size, and asked for only by who missed more", async () => {
  await withClock(async (clock) => {
    const sizes: number[] = [];
    const presence = readyPresence({
      leaveGraceMs: 1_000,
      others: () => ["B"],
      publish: (hint) => "users" in hint && sizes.push(hint.users!.length),
    });
    for (let n = 0; n < 1_000; n++) {
      presence.enter(`u${n}`, undefined, `A.${n}`);
      if (n % 10 === 9) await clock.tickAsync(10);
    }
    await clock.tickAsync(20_000);
    assert(sizes.length < 60 && Math.max(...sizes) <= 100, `${sizes}`);
    presence.close();
  });
});

Deno.test("a room that was closed and opened again on an isolate is heard of again", async () => {
  await withClock(async (clock) => {
    const isolates = new Isolates();
    const b = isolates.open("B");
    const first = isolates.open("A", { firstVersion: 1_000 });
    first.enter("ann", "Ann", "A.1");
    first.exit("ann");
    await clock.tickAsync(3_000);
    first.close();
    isolates.open("A", { firstVersion: 2_000 }).enter("ann", "Ann", "A.2");
    await clock.tickAsync(3_000);
    assertEquals(users(b), [["ann", 1]]);
    isolates.close();
  });
});

Deno.test("lists equal the truth within three beats, however the bus drops, doubles and reorders", async () => {
  const step = fc.record({
    isolate: fc.constantFrom("A", "B", "C"),
    user: fc.constantFrom("ann", "bob", "eve"),
    waitMs: fc.integer({ min: 0, max: 400 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.infiniteStream(fc.integer({ min: 0, max: 99 })),
      async (steps, dice) => {
        await withClock(async (clock) => {
          let isFair = false;
          const isolates = new Isolates(() => {
            const roll = Number(dice.next().value);
            if (isFair) return { copies: 1, delayMs: 1 };
            return { copies: roll < 25 ? 0 : roll < 35 ? 2 : 1, delayMs: roll };
          });
          const presences = new Map(["A", "B", "C"].map((id) => [id, isolates.open(id)]));
          const truth = new Map<string, number>();
          for (const { isolate, user, waitMs } of steps) {
            const held = truth.get(`${isolate} ${user}`) ?? 0;
            if (held > 0 && waitMs % 2 === 0) {
              presences.get(isolate)!.exit(user);
              truth.set(`${isolate} ${user}`, held - 1);
            } else {
              presences.get(isolate)!.enter(user, user, `${isolate}.${waitMs}`);
              truth.set(`${isolate} ${user}`, held + 1);
            }
            await clock.tickAsync(waitMs);
          }
          // The last reminders get through; before them anything may have been lost.
          await clock.tickAsync(300);
          isFair = true;
          for (let beat = 0; beat < 3; beat++) {
            isolates.beat();
            await clock.tickAsync(5_000);
          }
          await clock.tickAsync(1_000);
          const totals = new Map<string, number>();
          for (const [key, count] of truth) {
            const user = key.split(" ")[1]!;
            totals.set(user, (totals.get(user) ?? 0) + count);
          }
          const expected = [...totals].filter(([, count]) => count > 0).sort();
          for (const [id, presence] of presences) {
            assertEquals(users(presence), expected, `isolate ${id}`);
            assertEquals(shownBy(isolates.announced[id]!), expected.map(([user]) => user));
          }
          isolates.close();
        });
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("news are collected: many who come and go at once are frames of fifty, and who comes and goes in between is none", async () => {
  await withClock(async (clock) => {
    const frames: [{ joined?: { user_id: string }[]; left?: { user_id: string }[] }, string | undefined][] = [];
    const presence = readyPresence({ announce: (change, except) => frames.push([change, except]) });
    for (let n = 0; n < 200; n++) presence.enter(`u${n}`, undefined, `A.${n}`);
    assertEquals(frames, [[{ joined: [{ user_id: "u0", connections: 1 }] }, "A.0"]], "the first is news at once");
    presence.exit("u7");
    await clock.tickAsync(1_000);
    assertEquals(frames.map(([{ joined = [] }, except]) => [joined.length, except]).slice(1), [
      [50, undefined],
      [50, undefined],
      [50, undefined],
      [48, undefined],
    ]);
    const came = frames.flatMap(([{ joined = [] }]) => joined.map(({ user_id }) => user_id));
    assertEquals(came, Array.from({ length: 200 }, (_, n) => `u${n}`).filter((user) => user !== "u7"));
    frames.length = 0;
    presence.enter("alone", "Al", "A.500");
    await clock.tickAsync(1_000);
    assertEquals(frames, [[{ joined: [{ user_id: "alone", name: "Al", connections: 1 }] }, "A.500"]]);
    frames.length = 0;
    presence.enter("last", undefined, "A.501");
    for (let n = 20; n < 90; n++) presence.exit(`u${n}`);
    await clock.tickAsync(1_000);
    const sizes = frames.map(([{ joined = [], left = [] }]) => [joined.length, left.length]);
    assertEquals(sizes, [[1, 0], [0, 50], [0, 20]]);
    presence.close();
  });
});

Deno.test("a list names who is about to be said to have left: back before that, he is nobody's news", async () => {
  await withClock(async (clock) => {
    const told: string[] = [];
    const presence = readyPresence({
      leaveGraceMs: 30,
      announce: ({ joined = [], left = [] }) => told.push(...[...joined, ...left].map(({ user_id }) => user_id)),
    });
    for (let n = 0; n < 100; n++) presence.enter(`u${n}`, undefined, `A.${n}`);
    await clock.tickAsync(1_000);
    presence.exit("u7");
    await clock.tickAsync(20);
    presence.enter("new", undefined, "A.new"); // From here on news are collected for 121 ms.
    await clock.tickAsync(50);
    told.length = 0;
    assertEquals(users(presence).length, 101);
    assertEquals(presence.list()![0]!.members_left_out, undefined);
    presence.enter("u7", undefined, "A.7");
    await clock.tickAsync(1_000);
    assertEquals([told, users(presence).length], [[], 101]);
    presence.exit("u7");
    await clock.tickAsync(1_000);
    assertEquals([told, users(presence).length], [["u7"], 100]);
    presence.close();
  });
});
