import type { Usage } from "./usage.ts";

/** A session that counts against its user's limit, held by one connection. */
export interface SessionLease {
  readonly userId: string;
  /** The conversation: a second connection with the same name takes its place and is not counted again. */
  readonly sessionId: string;
  /** Unique to the connection that holds it. */
  readonly lease: string;
}

/** What a user may use, unless the store knows limits of his own; `null` for no limit. */
export interface UsageLimits {
  /** What the usage of one day (UTC) may cost. */
  readonly dailyBudget: number | null;
  /** How many sessions may be open at once, on all isolates. */
  readonly maxSessions: number | null;
}

/** Usage as it is stored. */
export interface UsageRecord extends Usage {
  /** A UUID: what is recorded twice counts once. */
  readonly id: string;
  readonly userId: string;
  readonly sessionId: string;
  /** What it takes from the budget. */
  readonly cost: number;
}

/** Whether a session may begin; `forbidden` for a user whom the store cannot know. */
export type Admission = "admitted" | "budget_exceeded" | "too_many_sessions" | "forbidden";

/**
 * Where usage is kept, and who may go on. It promises:
 *
 * - What `record` has stored counts at once, on every isolate that asks the same store, and once only.
 * - Of sessions that begin at the same moment no more are admitted than the limit lets through.
 * - A lease that is neither renewed nor ended stops to count after `leaseMs`.
 *
 * Each method rejects where the store cannot be reached; the same call may be made again then.
 */
export interface UsageStore {
  /** Admits a session and holds its lease, or says why not. */
  begin(session: SessionLease, limits: UsageLimits, leaseMs: number): Promise<Admission>;
  /** Stores usage, renews leases, and gives the ids of those users in either who have used up their budget. */
  record(batch: UsageBatch, limits: UsageLimits, leaseMs: number): Promise<readonly string[]>;
  /** Gives the lease back; does nothing where another connection holds the session now. */
  end(session: SessionLease): Promise<void>;
}

/** What an isolate has to tell. */
export interface UsageBatch {
  readonly usage: readonly UsageRecord[];
  readonly leases: readonly SessionLease[];
}
