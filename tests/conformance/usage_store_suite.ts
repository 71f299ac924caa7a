import { assertEquals } from "@std/assert";
import type { SessionLease, UsageLimits, UsageRecord, UsageStore } from "../../shared/relay/openai/usage_store.ts";

const NO_LIMITS: UsageLimits = { dailyBudget: null, maxSessions: null };
const MINUTE = 60_000;

const user = () => crypto.randomUUID();
const leaseOf = (userId: string, sessionId: string = crypto.randomUUID()): SessionLease => ({
  userId,
  sessionId,
  lease: crypto.randomUUID(),
});
const usageOf = (userId: string, cost: number) => usageRecord(userId, { cost });

/** What a response of a user may have used. */
export function usageRecord(userId: string, changes: Partial<UsageRecord> = {}): UsageRecord {
  return {
    id: crypto.randomUUID(),
    userId,
    sessionId: "talk",
    kind: "response",
    subject: "resp_1",
    model: "gpt-realtime",
    input_text: 10,
    input_audio: 20,
    input_image: 0,
    cached_text: 0,
    cached_audio: 5,
    cached_image: 0,
    output_text: 0,
    output_audio: 30,
    seconds: 0.5,
    cost: 1,
    ...changes,
  };
}

/** What every store of usage has to hold, each with users of its own. */
export const USAGE_STORE_PROMISES: Readonly<Record<string, (store: UsageStore) => Promise<void>>> = {
  async "a budget that is used up is told at once, and lets nobody begin"(store) {
    const [ann, bob] = [user(), user()];
    const limits = { dailyBudget: 10, maxSessions: null };
    const record = (...usage: UsageRecord[]) => store.record({ usage, leases: [] }, limits, MINUTE);
    assertEquals(await record(usageOf(ann, 4), usageOf(ann, 5.5), usageOf(bob, 1)), []);
    assertEquals(await store.begin(leaseOf(ann), limits, MINUTE), "admitted");
    assertEquals(await record(usageOf(ann, 0.5), usageOf(bob, 1)), [ann]);
    assertEquals(await store.begin(leaseOf(ann), limits, MINUTE), "budget_exceeded");
    assertEquals(await store.begin(leaseOf(bob), limits, MINUTE), "admitted");
    assertEquals(await store.begin(leaseOf(ann), NO_LIMITS, MINUTE), "admitted");
  },

  async "usage that is recorded twice counts once"(store) {
    const ann = user();
    const limits = { dailyBudget: 10, maxSessions: null };
    const usage = [usageOf(ann, 6)];
    for (let tries = 0; tries < 3; tries++) {
      assertEquals(await store.record({ usage, leases: [] }, limits, MINUTE), []);
    }
  },

  async "a user whose budget another isolate used up is told where his lease is renewed"(store) {
    const ann = user();
    const limits = { dailyBudget: 10, maxSessions: null };
    const session = leaseOf(ann);
    await store.begin(session, limits, MINUTE);
    await store.record({ usage: [usageOf(ann, 10)], leases: [] }, limits, MINUTE);
    assertEquals(await store.record({ usage: [], leases: [session] }, limits, MINUTE), [ann]);
  },

  async "of sessions that begin at once no more are admitted than may be"(store) {
    const ann = user();
    const begin = () => store.begin(leaseOf(ann), { dailyBudget: null, maxSessions: 2 }, MINUTE);
    const admissions = await Promise.all(Array.from({ length: 6 }, begin));
    assertEquals(admissions.filter((admission) => admission === "admitted").length, 2);
    assertEquals(admissions.filter((admission) => admission === "too_many_sessions").length, 4);
  },

  async "a session that comes back is not counted twice, and the connection before has nothing to give back"(store) {
    const ann = user();
    const limits = { dailyBudget: null, maxSessions: 1 };
    const [first, second] = [leaseOf(ann, "talk"), leaseOf(ann, "talk")];
    assertEquals(await store.begin(first, limits, MINUTE), "admitted");
    assertEquals(await store.begin(second, limits, MINUTE), "admitted");
    await store.end(first);
    await store.record({ usage: [], leases: [first] }, limits, 0);
    assertEquals(await store.begin(leaseOf(ann), limits, MINUTE), "too_many_sessions");
    await store.end(second);
    assertEquals(await store.begin(leaseOf(ann), limits, MINUTE), "admitted");
  },

  async "a lease that has run out does not count, one that was renewed does"(store) {
    const limits = { dailyBudget: null, maxSessions: 1 };
    const [ann, bob] = [leaseOf(user()), leaseOf(user())];
    for (const session of [ann, bob]) await store.begin(session, limits, 0);
    await store.record({ usage: [], leases: [bob] }, limits, MINUTE);
    assertEquals(await store.begin(leaseOf(ann.userId), limits, MINUTE), "admitted");
    assertEquals(await store.begin(leaseOf(bob.userId), limits, MINUTE), "too_many_sessions");
  },
};
