import type { Failure } from "../protocol/codes.ts";
import { err, type Result } from "../protocol/result.ts";
import { type Store, StoreUnavailable, type Write, type Written } from "./store.ts";
import { StoreMetrics } from "./store_metrics.ts";

/** Bounds of `groupCommit`. */
export interface GroupCommitOptions {
  /** The most writes, and about the most bytes of JSON, that go in one call; 200 and 512 KiB by default. */
  readonly maxWrites?: number;
  readonly maxBytes?: number;
  /** The most writes, and about the most bytes, that wait for one; 5,000 and 8 MiB by default, half of it for one user. */
  readonly maxWaitingWrites?: number;
  readonly maxWaitingBytes?: number;
  /** How long a write may wait and be tried before it is refused, in milliseconds; 10,000 by default. */
  readonly giveUpAfterMs?: number;
  /** From 0 to 1, spreads the retries of several isolates. */
  readonly random?: () => number;
  /** Makes a `client_id` for messages that have none. */
  readonly newClientId?: () => string;
  /** How many writes wait, and how long each took with that, is counted here. */
  readonly metrics?: StoreMetrics;
}

/** One call of `post`: settled once each of its writes is. */
interface PostCall {
  readonly results: Result<Written, Failure>[];
  waiting: number;
  readonly settle: (results: readonly Result<Written, Failure>[]) => void;
  readonly fail: (error: unknown) => void;
}

interface WaitingWrite {
  readonly write: Write;
  readonly bytes: number;
  readonly since: number;
  readonly call: PostCall;
  /** Which of its call's writes it is. */
  readonly index: number;
}

/**
 * The same store, whose `post` shares calls: while one is under way, what arrives waits and goes in the next. So a busy
 * isolate pays for one round trip and one commit for many writes, and an idle one waits for nobody.
 *
 * - Writes of a user are stored in the order of the calls of `post`, and those that go together as well; each is stored
 *   or refused by itself. Where more wait than go in a call, users take turns: who writes much waits for himself.
 * - Where the store is unavailable the call is repeated until `giveUpAfterMs`, then its writes are refused
 *   `store_unavailable`. A message without `client_id` is given one, so that no repetition stores it twice. The result of
 *   a repetition may lack its `event`, though it is new to everyone: the log has it.
 * - What finds the queue full, or half of it taken by the same user, is refused `overloaded`.
 */
export function groupCommit(store: Store, options: GroupCommitOptions = {}): Store {
  const {
    maxWrites = 200,
    maxBytes = 524_288,
    maxWaitingWrites = 5_000,
    maxWaitingBytes = 8_388_608,
    giveUpAfterMs = 10_000,
    random = Math.random,
    newClientId = () => crypto.randomUUID(),
    metrics = new StoreMetrics(),
  } = options;
  for (
    const [name, value] of Object.entries({ maxWrites, maxBytes, maxWaitingWrites, maxWaitingBytes, giveUpAfterMs })
  ) {
    if (!(value >= 1)) throw new RangeError(`Cannot group writes as '${name}' must be >= 1: current value is ${value}`);
  }
  let waiting: WaitingWrite[] = [];
  let waitingBytes = 0;
  let isCommitting = false;

  function post(writes: readonly Write[]): Promise<readonly Result<Written, Failure>[]> {
    return new Promise((settle, fail) => {
      if (writes.length === 0) return settle([]);
      const call: PostCall = { results: new Array(writes.length), waiting: writes.length, settle, fail };
      for (let index = 0; index < writes.length; index++) enter(writes[index]!, call, index);
    });
  }

  function enter(write: Write, call: PostCall, index: number): void {
    const bytes = bytesOf(write);
    const entry = { write: withClientId(write, newClientId), bytes, since: Date.now(), call, index };
    metrics.pendingWrites++;
    if (waiting.length >= maxWaitingWrites || waitingBytes + bytes > maxWaitingBytes || hasHalf(write, bytes)) {
      return settle(entry, err(OVERLOADED), entry.since);
    }
    waiting.push(entry);
    waitingBytes += bytes;
    if (!isCommitting) void commitAll();
  }

  async function commitAll(): Promise<void> {
    isCommitting = true;
    await Promise.resolve(); // What is written in the same turn goes together.
    while (waiting.length > 0) await commit(withoutLate(take(), Date.now()));
    isCommitting = false;
  }

  /** Whether half of what may wait is its user's already. */
  function hasHalf({ actor }: Write, bytes: number): boolean {
    if (waiting.length < maxWaitingWrites / 2 && waitingBytes + bytes <= maxWaitingBytes / 2) return false;
    const own = waiting.filter(({ write }) => write.actor.id === actor.id);
    const ownBytes = own.reduce((sum, { bytes }) => sum + bytes, bytes);
    return own.length >= maxWaitingWrites / 2 || (own.length > 0 && ownBytes > maxWaitingBytes / 2);
  }

  /** The next writes, as many as fit in a call: at least one. */
  function take(): WaitingWrite[] {
    let taken = waiting;
    let left: WaitingWrite[] = [];
    if (waiting.length > maxWrites || waitingBytes > maxBytes) {
      const next = nextByTurns();
      taken = waiting.filter((entry) => next.has(entry));
      left = waiting.filter((entry) => !next.has(entry));
    }
    waiting = left;
    for (const entry of taken) waitingBytes -= entry.bytes;
    return taken;
  }

  /** The first write of each user, the second of each, and so on, as many as fit in a call. */
  function nextByTurns(): Set<WaitingWrite> {
    const turns = new Map<string, number>();
    const rounds: WaitingWrite[][] = [];
    for (const entry of waiting) {
      const { id } = entry.write.actor;
      const turn = turns.get(id) ?? 0;
      turns.set(id, turn + 1);
      (rounds[turn] ??= []).push(entry);
    }
    const next = new Set<WaitingWrite>();
    let bytes = 0;
    for (const entry of rounds.flat()) {
      bytes += entry.bytes;
      if (next.size === maxWrites || (next.size > 0 && bytes > maxBytes)) break;
      next.add(entry);
    }
    return next;
  }

  async function commit(batch: WaitingWrite[]): Promise<void> {
    for (let attempt = 0; batch.length > 0; attempt++) {
      try {
        const results = await store.post(batch.map(({ write }) => write));
        const now = Date.now();
        for (let at = 0; at < batch.length; at++) settle(batch[at]!, results[at]!, now);
        return;
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) return fail(batch, error);
      }
      const delayMs = retryDelayMs(attempt, random());
      batch = withoutLate(batch, Date.now() + delayMs);
      if (batch.length > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }

  /** Refuses the writes whose time will be over at `time`, and gives the others. */
  function withoutLate(batch: WaitingWrite[], time: number): WaitingWrite[] {
    const isLate = ({ since }: WaitingWrite) => time - since > giveUpAfterMs;
    if (!batch.some(isLate)) return batch;
    for (const entry of batch.filter(isLate)) settle(entry, err(UNAVAILABLE), Date.now());
    return batch.filter((entry) => !isLate(entry));
  }

  function settle(entry: WaitingWrite, result: Result<Written, Failure>, now: number): void {
    const { call, index } = entry;
    settled(entry, now);
    call.results[index] = result;
    if (--call.waiting === 0) call.settle(call.results);
  }

  function fail(batch: readonly WaitingWrite[], error: unknown): void {
    const now = Date.now();
    for (const entry of batch) {
      settled(entry, now);
      entry.call.fail(error);
    }
  }

  function settled({ since }: WaitingWrite, now: number): void {
    metrics.pendingWrites--;
    metrics.writeLatency.observe(Math.max(0, now - since) / 1_000);
  }

  return { ...store, post };
}

/** How long to wait before try `attempt + 2`: twice as long each time, at most two seconds, and up to half less. */
export function retryDelayMs(attempt: number, random: number): number {
  return Math.min(2_000, 100 * 2 ** attempt) * (1 - random / 2);
}

const OVERLOADED: Failure = { code: "overloaded", message: "Too many writes wait for the database: try again." };
const UNAVAILABLE: Failure = {
  code: "store_unavailable",
  message: "The database cannot be reached: try again with the same client_id.",
};

function withClientId(write: Write, newClientId: () => string): Write {
  return write.kind === "message" && write.client_id === undefined ? { ...write, client_id: newClientId() } : write;
}

/** About what a write takes in a call: exact where it can be large. */
function bytesOf(write: Write): number {
  const body = "body" in write ? write.body.length : 0;
  const data = write.kind === "message" && write.data !== undefined ? JSON.stringify(write.data).length : 0;
  return 256 + body + data;
}
