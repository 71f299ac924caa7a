import { assertEquals } from "@std/assert";
import { PendingPromises } from "../../supabase/local/pending_promises.ts";

function watched() {
  const counts: number[] = [];
  return { pending: new PendingPromises((count) => counts.push(count)), counts };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("waitUntil() counts a promise until it settles, and gives it back", async () => {
  const { pending, counts } = watched();
  const one = Promise.withResolvers<void>();
  const two = Promise.withResolvers<void>();
  assertEquals(pending.waitUntil(one.promise), one.promise);
  pending.waitUntil(two.promise);
  one.resolve();
  await settled();
  assertEquals(pending.count, 1);
  two.resolve();
  await settled();
  assertEquals([pending.count, counts], [0, [1, 2, 1, 0]]);
});

Deno.test("waitUntil() counts a promise that settles in the same turn", async () => {
  const { pending } = watched();
  const { promise, resolve } = Promise.withResolvers<void>();
  pending.waitUntil(promise);
  resolve();
  await settled();
  assertEquals(pending.count, 0);
});

const pinning: [what: string, pin: (pending: PendingPromises) => void][] = [
  ["one that is settled already", (pending) => void pending.waitUntil(Promise.resolve())],
  ["the same one twice", (pending) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    pending.waitUntil(promise);
    pending.waitUntil(promise);
    resolve();
  }],
];
for (const [what, pin] of pinning) {
  Deno.test(`waitUntil() counts ${what} for ever`, async () => {
    const { pending } = watched();
    pin(pending);
    await settled();
    assertEquals(pending.count, 1);
  });
}

Deno.test("waitUntil() ignores what is no native promise", () => {
  const { pending } = watched();
  for (const value of [undefined, 1, { then() {} }]) assertEquals(pending.waitUntil(value), value);
  assertEquals(pending.count, 0);
});
