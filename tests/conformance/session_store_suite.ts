import { assertEquals } from "@std/assert";
import {
  type DueResponse,
  EMPTY_RECORD,
  type KeptItem,
  MAX_SESSIONS_PER_USER,
  type SessionStore,
} from "../../shared/relay/openai/session_store.ts";
import { claimRecord } from "../relay/openai/claim_record.ts";

/** A store that a test has for itself. */
export interface OpenedSessionStore {
  readonly store: SessionStore;
  newUser(): Promise<string>;
  /** Makes an hour pass, as far as the store knows. */
  passAnHour(): Promise<void>;
  close(): Promise<void>;
}

/** A backend to hold to the promises of `SessionStore`. */
export interface SessionStoreUnderTest {
  readonly name: string;
  readonly ignore?: boolean;
  create(): Promise<OpenedSessionStore>;
}

const item = (place: number, text = `item ${place}`): KeptItem => ({
  id: `item_${place}`,
  place,
  item: { id: `item_${place}`, type: "message", role: "user", content: [{ type: "input_text", text }] },
  audioMs: place,
});
const due: DueResponse = {
  create: { type: "response.create", event_id: "one" },
  responseId: "resp_1",
  itemIds: ["item_9"],
  retries: 1,
};

/** Registers one test for `name` with a step for each promise of the port; the store is opened once. */
export function testSessionStore({ name, ignore = false, create }: SessionStoreUnderTest): void {
  Deno.test({
    name: `SessionStore: ${name}`,
    ignore,
    // Database drivers keep sockets and timers of their own between steps; what leaks is closed at the end.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(t) {
      const opened = await create();
      try {
        for (const [test, fn] of Object.entries(PROMISES)) {
          await t.step(test, () => fn(opened.store, opened));
        }
      } finally {
        await opened.close();
      }
    },
  });
}

const newKey = async (opened: OpenedSessionStore) => ({ userId: await opened.newUser(), sessionId: "a-Session_1" });
const newOwner = () => crypto.randomUUID();

const PROMISES: Record<string, (store: SessionStore, opened: OpenedSessionStore) => Promise<void>> = {
  async "a session nobody has begun is empty"(store, opened) {
    assertEquals(await store.claim(await newKey(opened), newOwner()), EMPTY_RECORD);
  },

  async "what was saved is what the next owner gets, in the order of places"(store, opened) {
    const key = await newKey(opened);
    const owner = newOwner();
    await store.claim(key, owner);
    const config = { instructions: "Be brief.", audio: { output: { voice: "cedar" } } };
    const ends = [{ type: "response.done", response: { id: "resp_0" } }];
    const unheard = { ...item(2.5), item: null };
    assertEquals(await store.save(key, owner, { config, put: [item(3), item(1)] }), true);
    assertEquals(await store.save(key, owner, { due: [due], put: [unheard] }), true);
    const untold = ["item_1", "item_3"];
    assertEquals(await store.save(key, owner, { ends, untold, told: true }), true);
    const items = [item(1), unheard, item(3)];
    const expected = { config, due: [due], untold, ends, told: true, items, pending: [] };
    assertEquals(await store.claim(key, newOwner()), expected);
  },

  async "what is pending is kept until it is no more, in the order of its numbers"(store, opened) {
    const key = await newKey(opened);
    const owner = newOwner();
    await store.claim(key, owner);
    const pending = (number: number) => ({ number, event: { type: "session.update", event_id: `\u0000${number}` } });
    await store.save(key, owner, { pend: [10, 9, 8].map(pending) });
    await store.save(key, owner, { pend: [pending(11)], unpend: [9, 7] });
    assertEquals((await claimRecord(store, key)).pending, [8, 10, 11].map(pending));
    assertEquals((await claimRecord(store, { ...key, sessionId: "other" })).pending, []);
  },

  async "from a claim on it counts as not told"(store, opened) {
    const key = await newKey(opened);
    const owner = newOwner();
    await store.claim(key, owner);
    await store.save(key, owner, { told: true });
    assertEquals((await claimRecord(store, key)).told, true);
    assertEquals((await claimRecord(store, key)).told, false);
  },

  async "items are replaced and removed, and what is left out stays"(store, opened) {
    const key = await newKey(opened);
    const owner = newOwner();
    await store.claim(key, owner);
    await store.save(key, owner, { config: { voice: "cedar" }, due: [due], put: [item(1), item(2), item(3)] });
    await store.save(key, owner, { put: [item(2, "other words")], remove: ["item_1", "item_7"] });
    await store.save(key, owner, { config: null, due: [] });
    const record = await claimRecord(store, key);
    assertEquals([record.config, record.due, record.items], [null, [], [item(2, "other words"), item(3)]]);
  },

  async "who was the owner before changes nothing, and is told so"(store, opened) {
    const key = await newKey(opened);
    const [first, second] = [newOwner(), newOwner()];
    await store.claim(key, first);
    await store.save(key, first, { put: [item(1)] });
    await store.claim(key, second);
    assertEquals(await store.save(key, first, { put: [item(2)] }), false);
    assertEquals(await store.save(key, first, {}), false);
    await store.remove(key, first);
    assertEquals(await store.save(key, second, {}), true);
    assertEquals((await claimRecord(store, key)).items, [item(1)]);
  },

  async "of owners that come at once one is left, and saves"(store, opened) {
    const key = await newKey(opened);
    const owners = Array.from({ length: 5 }, newOwner);
    await Promise.all(owners.map((owner) => store.claim(key, owner)));
    const saved = await Promise.all(owners.map((owner) => store.save(key, owner, { put: [item(1)] })));
    assertEquals(saved.filter(Boolean).length, 1);
  },

  async "a claim that comes late takes it from no connection that began later"(store, opened) {
    const key = await newKey(opened);
    const [late, owner] = [newOwner(), newOwner()];
    const beganAt = Date.now() - 1_000;
    await store.claim(key, newOwner(), beganAt - 1_000);
    await store.claim(key, owner, beganAt);
    assertEquals(await store.claim(key, late, beganAt - 1), "taken_over");
    assertEquals(await store.save(key, late, {}), false);
    assertEquals(await store.save(key, owner, { put: [item(1)], told: true }), true);
    const next = await store.claim(key, newOwner(), beganAt);
    assertEquals(next, { ...EMPTY_RECORD, items: [item(1)] });
  },

  async "a connection whose clock runs ahead keeps no later one out"(store, opened) {
    const key = await newKey(opened);
    await store.claim(key, newOwner(), Date.now() + 3_600_000);
    await claimRecord(store, key);
    assertEquals(await store.claim(key, newOwner(), Date.now() - 60_000), "taken_over");
  },

  async "the owner removes it, and nothing saved later brings it back"(store, opened) {
    const key = await newKey(opened);
    const owner = newOwner();
    await store.claim(key, owner);
    await store.save(key, owner, { put: [item(1)] });
    await store.remove(key, owner);
    assertEquals(await store.save(key, owner, { put: [item(2)] }), false);
    assertEquals(await store.claim(key, newOwner()), EMPTY_RECORD);
  },

  async "users and names are apart"(store, opened) {
    const key = await newKey(opened);
    const keys = [key, { ...key, sessionId: "b" }, await newKey(opened)];
    for (const [place, own] of keys.entries()) {
      const owner = newOwner();
      await store.claim(own, owner);
      await store.save(own, owner, { put: [item(place)] });
    }
    for (const [place, own] of keys.entries()) {
      assertEquals((await claimRecord(store, own)).items, [item(place)]);
    }
  },

  async "it holds any text"(store, opened) {
    const key = await newKey(opened);
    const owner = newOwner();
    await store.claim(key, owner);
    const odd = item(1, "\u0000 \ud800 \udc00\ud800 \\u0000 🦊 \u2028 '; drop table rooms; --");
    await store.save(key, owner, { put: [odd], config: { instructions: "\u0000\ud800" } });
    const { items, config } = await claimRecord(store, key);
    assertEquals([items, config], [[odd], { instructions: "\u0000\ud800" }]);
  },

  async "after an hour without a save it is gone; each save counts, whatever it changes"(store, opened) {
    const [lost, kept] = [await newKey(opened), await newKey(opened)];
    const owner = newOwner();
    for (const key of [lost, kept]) {
      await store.claim(key, owner);
      await store.save(key, owner, { put: [item(1)] });
    }
    await opened.passAnHour();
    assertEquals(await store.save(lost, owner, {}), false);
    assertEquals(await store.claim(lost, newOwner()), EMPTY_RECORD);
    const again = newOwner();
    await store.claim(kept, again);
    assertEquals(await store.save(kept, again, {}), true);
  },

  async "a user keeps so many, the one just claimed among them"(store, opened) {
    const { userId } = await newKey(opened);
    const other = await newKey(opened);
    await store.claim(other, newOwner());
    const owner = newOwner();
    const keys = Array.from({ length: MAX_SESSIONS_PER_USER + 1 }, (_, n) => ({ userId, sessionId: `s${n}` }));
    for (const key of keys) await store.claim(key, owner);
    const saved: boolean[] = [];
    for (const key of keys) saved.push(await store.save(key, owner, {}));
    assertEquals(saved, keys.map((_, index) => index > 0));
  },
};
