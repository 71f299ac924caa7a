import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { install } from "@sinonjs/fake-timers";
import type { Failure } from "../../shared/protocol/codes.ts";
import type { Result } from "../../shared/protocol/result.ts";
import { groupCommit, retryDelayMs } from "../../shared/store/group_commit.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import { type Store, StoreUnavailable, type Write, type Written } from "../../shared/store/store.ts";

const [ANN, BOB, CID] = ["a", "b", "c"].map((digit) => ({ id: `00000000-0000-4000-8000-00000000000${digit}` })) as [
  { id: string },
  { id: string },
  { id: string },
];

Deno.test("groupCommit() sends what arrives while a call is under way in the next one, in order", async () => {
  const { store, calls, answer } = await heldStore();
  const grouped = groupCommit(store);
  const first = [grouped.post([message("1")]), grouped.post([message("2")])];
  await turn();
  const later = ["3", "4", "5"].map((body) => grouped.post([message(body)]));
  await turn();
  assertEquals(bodiesOf(calls), [["1", "2"]]);
  await answer();
  assertEquals((await Promise.all(first)).flat().map(seqOf), [2, 3]);
  assertEquals(bodiesOf(calls), [["1", "2"], ["3", "4", "5"]]);
  await answer();
  assertEquals((await Promise.all(later)).flat().map(seqOf), [4, 5, 6]);
  const last = grouped.post([message("6")]);
  await turn();
  await answer();
  assertEquals((await last).map(seqOf), [7]);
});

Deno.test("groupCommit() gives each caller his own results, refusals among them", async () => {
  const grouped = groupCommit(await openStore());
  const [good, bad, mixed] = await Promise.all([
    grouped.post([message("a")]),
    grouped.post([message("")]),
    grouped.post([message("b"), { ...message("c"), room: "none" }]),
  ]);
  assertEquals([good, bad, mixed].map((results) => results.map(codeOf)), [["ok"], ["bad_request"], [
    "ok",
    "room_not_found",
  ]]);
  assertEquals(await grouped.post([]), []);
});

Deno.test("groupCommit() keeps a call within its bounds", async () => {
  const { store, calls, answer } = await heldStore();
  const grouped = groupCommit(store, { maxWrites: 3, maxBytes: 2_000 });
  const bodies = ["1", "2", "3", "4", "x".repeat(3_000), "y".repeat(1_000), "z".repeat(1_000)];
  const results = grouped.post(bodies.map((body) => message(body)));
  for (let call = 0; call < 5; call++) await answer();
  assertEquals((await results).map(seqOf), [2, 3, 4, 5, 6, 7, 8]);
  assertEquals(bodiesOf(calls).map((call) => call.map((body) => body[0])), [["1", "2", "3"], ["4"], ["x"], ["y"], [
    "z",
  ]]);
});

Deno.test("groupCommit() refuses what finds the queue full, by count and by bytes", async () => {
  const { store, answer } = await heldStore([ANN, BOB, CID]);
  const grouped = groupCommit(store, { maxWaitingWrites: 2, maxWaitingBytes: 4_000 });
  const first = grouped.post([message("1")]);
  await turn();
  const tooLarge = await grouped.post([message("x".repeat(4_000))]);
  const fitting = grouped.post([message("2"), message("3", BOB)]);
  const tooMany = await grouped.post([message("4", CID)]);
  assertEquals([tooLarge, tooMany].flat().map(codeOf), ["overloaded", "overloaded"]);
  await answer();
  await answer();
  assertEquals((await Promise.all([first, fitting])).flat().map(codeOf), ["ok", "ok", "ok"]);
});

Deno.test("groupCommit() has users take turns where more waits than goes in a call, each in his own order", async () => {
  const { store, calls, answer } = await heldStore([ANN, BOB, CID]);
  const grouped = groupCommit(store, { maxWrites: 3, maxBytes: 2_000 });
  const first = grouped.post([message("a0")]);
  await turn();
  const flood = grouped.post(["a1", "a2", "a3", "a4", "a5"].map((body) => message(body)));
  const others = [grouped.post([message("b1", BOB), message("b2", BOB)]), grouped.post([message("c1", CID)])];
  for (let call = 0; call < 4; call++) await answer();
  assertEquals(bodiesOf(calls), [["a0"], ["a1", "b1", "c1"], ["a2", "a3", "b2"], ["a4", "a5"]]);
  const seqs = (await Promise.all([first, flood, ...others])).map((results) => results.map(seqOf));
  assertEquals(seqs.every((each) => each.every((seq, i) => i === 0 || seq > each[i - 1]!)), true, "in his order");

  const large = grouped.post(["x", "y", "z"].map((body) => message(body.repeat(1_400))));
  await turn();
  const small = grouped.post([message("b3", BOB)]);
  for (let call = 0; call < 3; call++) await answer();
  await Promise.all([large, small]);
  assertEquals(bodiesOf(calls).slice(4).map((call) => call.map((body) => body.slice(0, 2))), [["xx"], ["yy", "b3"], [
    "zz",
  ]]);
});

Deno.test("groupCommit() lets one user have half of what may wait, by count and by bytes", async () => {
  const { store, answer } = await heldStore([ANN, BOB, CID]);
  const grouped = groupCommit(store, { maxWaitingWrites: 4, maxWaitingBytes: 8_000 });
  const first = grouped.post([message("1")]);
  await turn();
  const own = grouped.post([message("2"), message("3"), message("4")]);
  const large = grouped.post([message("x".repeat(3_000), BOB), message("y".repeat(1_000), BOB)]);
  const another = grouped.post([message("5", CID)]);
  for (let call = 0; call < 2; call++) await answer();
  assertEquals((await Promise.all([first, own, large, another])).map((results) => results.map(codeOf)), [
    ["ok"],
    ["ok", "ok", "overloaded"],
    ["ok", "overloaded"],
    ["ok"],
  ]);
});

Deno.test("groupCommit() repeats a call whose outcome is unknown, and stores nothing twice", async () => {
  const clock = install();
  try {
    const inner = await openStore();
    const failing = failAfter(inner, 3);
    const grouped = groupCommit(failing.store, { random: () => 0 });
    const results = grouped.post([message("a"), { ...message("b"), client_id: "mine" }]);
    await clock.tickAsync(100 + 200 + 400);
    assertEquals((await results).map(seqOf), [2, 3]);
    assertEquals(failing.calls(), 4);
    const page = await inner.eventsSince("room", 0, 100);
    assertEquals(page?.head, 3);
  } finally {
    clock.uninstall();
  }
});

Deno.test("groupCommit() refuses writes when their time is over, and takes others after the store is back", async () => {
  const clock = install();
  try {
    const failing = failAfter(await openStore(), Infinity);
    const grouped = groupCommit(failing.store, { giveUpAfterMs: 5_000, random: () => 0, maxWrites: 1 });
    const results = grouped.post([message("a"), message("b")]);
    await clock.tickAsync(4_000);
    const later = grouped.post([message("c")]);
    await clock.tickAsync(1_000);
    assertEquals((await results).map(codeOf), ["store_unavailable", "store_unavailable"]);
    failing.repair();
    await clock.tickAsync(2_000);
    assertEquals((await later).map(codeOf), ["ok"]);
    assertEquals(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
});

Deno.test("groupCommit() passes a failure that waiting does not mend to the callers of that call alone", async () => {
  const inner = await openStore();
  let fails = true;
  const grouped = groupCommit({
    ...inner,
    post: (writes) => fails ? Promise.reject(new Error("migrations are missing")) : inner.post(writes),
  });
  await assertRejects(() => grouped.post([message("a")]), Error, "migrations are missing");
  fails = false;
  assertEquals((await grouped.post([message("b")])).map(codeOf), ["ok"]);
});

Deno.test("groupCommit() refuses bounds that are none", async () => {
  const store = await openStore();
  for (const options of [{ maxWrites: 0 }, { maxBytes: NaN }, { giveUpAfterMs: -1 }]) {
    assertThrows(() => groupCommit(store, options), RangeError, "must be >= 1");
  }
});

Deno.test("retryDelayMs() doubles up to two seconds, less a random part", () => {
  assertEquals([0, 1, 2, 3, 4, 5, 60].map((attempt) => retryDelayMs(attempt, 0)), [
    100,
    200,
    400,
    800,
    1600,
    2000,
    2000,
  ]);
  assertEquals(retryDelayMs(60, 1), 1000);
});

function message(body: string, actor = ANN): Write & { kind: "message" } {
  return { kind: "message", actor, room: "room", body };
}

async function openStore(members = [ANN]): Promise<Store> {
  const store = memoryStore();
  await store.createRoom("private", "room", undefined, members.map(({ id }) => id));
  return store;
}

/** A store whose calls of `post` wait until the test answers them, one after the other. */
async function heldStore(members = [ANN]) {
  const inner = await openStore(members);
  const calls: (readonly Write[])[] = [];
  const held: (() => void)[] = [];
  const store: Store = {
    ...inner,
    async post(writes) {
      calls.push(writes);
      await new Promise<void>((resolve) => held.push(resolve));
      return inner.post(writes);
    },
  };
  const answer = async () => {
    await turn();
    held.shift()!();
    await turn();
  };
  return { store, calls, answer };
}

/** A store that does what it is told and then fails, for so many calls. */
function failAfter(inner: Store, failures: number) {
  let calls = 0;
  let left = failures;
  const store: Store = {
    ...inner,
    async post(writes) {
      calls++;
      const results = await inner.post(writes);
      if (left-- > 0) throw new StoreUnavailable("The answer was lost");
      return results;
    },
  };
  return { store, calls: () => calls, repair: () => left = 0 };
}

/** Lets everything run that waits for nothing but its turn. */
async function turn(): Promise<void> {
  for (let step = 0; step < 20; step++) await Promise.resolve();
}

function bodiesOf(calls: readonly (readonly Write[])[]): string[][] {
  return calls.map((writes) => writes.map((write) => write.kind === "message" ? write.body : ""));
}

function seqOf(result: Result<Written, Failure>): number | string {
  return result.ok ? result.value.seq : result.error.code;
}

function codeOf(result: Result<Written, Failure>): string {
  return result.ok ? "ok" : result.error.code;
}
