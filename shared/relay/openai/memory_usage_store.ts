import type { SessionLease, UsageRecord, UsageStore } from "./usage_store.ts";

interface Held {
  readonly lease: string;
  expiresAt: number;
}

/** The usage of memory is seen by nobody: what is old of it is only kept to know it again. */
const MAX_RECORDS = 10_000;

/**
 * Usage in the memory of this isolate: for tests, and for `deno task dev` without a database. Budgets begin anew with
 * each isolate. `now` gives the time in milliseconds.
 */
export function memoryUsageStore(
  { now = Date.now }: { readonly now?: () => number } = {},
): UsageStore & { readonly records: ReadonlyMap<string, UsageRecord> } {
  const records = new Map<string, UsageRecord>();
  let day = "";
  const spent = new Map<string, number>();
  /** By user, then by session. */
  const leases = new Map<string, Map<string, Held>>();

  const spentToday = (userId: string) => {
    const today = new Date(now()).toISOString().slice(0, 10);
    if (today !== day) spent.clear();
    day = today;
    return spent.get(userId) ?? 0;
  };
  const isOver = (userId: string, budget: number | null) => budget !== null && spentToday(userId) >= budget;
  const heldBy = (userId: string) => {
    const held = leases.get(userId) ?? new Map<string, Held>();
    for (const [session, { expiresAt }] of held) if (expiresAt <= now()) held.delete(session);
    return held;
  };
  const hold = ({ userId, sessionId, lease }: SessionLease, leaseMs: number) => {
    leases.set(userId, heldBy(userId).set(sessionId, { lease, expiresAt: now() + leaseMs }));
  };

  return {
    records,
    begin(session, { dailyBudget, maxSessions }, leaseMs) {
      const { userId, sessionId } = session;
      if (isOver(userId, dailyBudget)) return Promise.resolve("budget_exceeded");
      const held = heldBy(userId);
      const others = held.size - (held.has(sessionId) ? 1 : 0);
      if (maxSessions !== null && others >= maxSessions) return Promise.resolve("too_many_sessions");
      hold(session, leaseMs);
      return Promise.resolve("admitted");
    },
    record({ usage, leases: renewed }, { dailyBudget }, leaseMs) {
      for (const record of usage) {
        if (records.has(record.id)) continue;
        records.set(record.id, record);
        spent.set(record.userId, spentToday(record.userId) + record.cost);
      }
      for (const id of [...records.keys()].slice(0, Math.max(0, records.size - MAX_RECORDS))) records.delete(id);
      for (const session of renewed) {
        const other = heldBy(session.userId).get(session.sessionId);
        if (other === undefined || other.lease === session.lease) hold(session, leaseMs);
      }
      const users = new Set([...usage, ...renewed].map(({ userId }) => userId));
      return Promise.resolve([...users].filter((userId) => isOver(userId, dailyBudget)));
    },
    end({ userId, sessionId, lease }) {
      const held = heldBy(userId);
      if (held.get(sessionId)?.lease === lease) held.delete(sessionId);
      if (held.size === 0) leases.delete(userId);
      return Promise.resolve();
    },
  };
}
