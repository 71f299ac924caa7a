import type { RealtimeEvent } from "./stage.ts";

/** Names what is kept of one conversation: its user's id and the `session` parameter that the client chose. */
export interface SessionKey {
  readonly userId: string;
  readonly sessionId: string;
}

/** An item as it is sent to a fresh upstream: a `message`, a `function_call` or a `function_call_output` with its id. */
export type RebuildItem = Readonly<Record<string, unknown>> & { readonly id: string; readonly type: string };

/** An item's place in a conversation, and what can be rebuilt of it: `null` for what cannot (audio without transcript). */
export interface KeptItem {
  readonly id: string;
  /** Places grow along the conversation. */
  readonly place: number;
  readonly item: RebuildItem | null;
  /** How long the audio was in which it was said, in milliseconds; 0 for text. */
  readonly audioMs: number;
}

/** A response that was asked for and has not ended. */
export interface DueResponse {
  /** What asks for it (again). */
  readonly create: RealtimeEvent;
  /** What the client may have been told of it: its id, and those of its items so far. */
  readonly responseId: string | null;
  readonly itemIds: readonly string[];
  /** How often it was asked for again. */
  readonly retries: number;
  /** Whether the client has taken it back: then it is not asked for again. */
  readonly isCancelled?: boolean;
}

/** An event of the client that the upstream has not confirmed. Of one that may not be kept its type and `event_id` are left. */
export interface PendingEvent {
  /** Numbers grow in the order in which the events came. */
  readonly number: number;
  readonly event: RealtimeEvent;
}

/** What is kept of a session beside its items. */
export interface SessionState {
  /** What the client has set by `session.update`, all in one, as it went upstream; `null` for nothing. */
  readonly config: Readonly<Record<string, unknown>> | null;
  readonly due: readonly DueResponse[];
  /** The ids of items that the client may not have been told of. */
  readonly untold: readonly string[];
  /** Each `response.done` that the client may not have been told of, the oldest first. */
  readonly ends: readonly RealtimeEvent[];
  /** Whether the client has surely been sent all that was recorded. */
  readonly told: boolean;
}

/** A session as it is kept; its items are in the order of the conversation, what is pending in the order in which it came. */
export interface SessionRecord extends SessionState {
  readonly items: readonly KeptItem[];
  readonly pending: readonly PendingEvent[];
}

/** What to change of a record, all or nothing; what is left out stays. */
export interface SessionChanges extends Partial<SessionState> {
  /** Items that are new or different, whatever their order. */
  readonly put?: readonly KeptItem[];
  /** The ids of items that go. */
  readonly remove?: readonly string[];
  /** Events that are not confirmed yet, and are new. */
  readonly pend?: readonly PendingEvent[];
  /** The numbers of those that are pending no more. */
  readonly unpend?: readonly number[];
}

/**
 * What a claim comes to: the record, or why it was not to be had. `taken_over`: a connection that began later has it;
 * `forbidden`: there is no such user.
 */
export type Claim = SessionRecord | "taken_over" | "forbidden";

/** The record of a session nobody has begun. */
export const EMPTY_RECORD: SessionRecord = {
  config: null,
  due: [],
  untold: [],
  ends: [],
  told: true,
  items: [],
  pending: [],
};

/**
 * Where conversations are kept for those who come back. It promises:
 *
 * - One owner at a time: from `claim` on only who gave that `owner` may change the record, whoever had it before. A claim that
 *   comes late takes it from nobody whose connection began later.
 * - What `save` has answered `true` to, the next `claim` gives, in the order of places.
 * - A record that was not saved to for an hour is gone, and so are a user's oldest ones beyond twenty.
 *
 * Each method rejects where the store cannot be reached; the same call may be made again then.
 */
export interface SessionStore {
  /**
   * Makes `owner` (unique to the caller, a UUID) the owner of the record, and gives it; an empty one where there is none. From
   * then on it counts as not told, until `save` says otherwise. `beganAt`: when the owner's connection began, in milliseconds
   * since 1970; default now, and no later than the store's own now.
   */
  claim(key: SessionKey, owner: string, beganAt?: number): Promise<Claim>;
  /** Changes the record, if only the time it is kept until; `false` where another owns it now, or it was deleted. */
  save(key: SessionKey, owner: string, changes: SessionChanges): Promise<boolean>;
  /** Deletes the record; does nothing where another owns it. */
  remove(key: SessionKey, owner: string): Promise<void>;
}

/** How long a record is kept after the last time it was saved to. */
export const KEPT_MS = 3_600_000;
/** The records of one user; the oldest beyond that go. */
export const MAX_SESSIONS_PER_USER = 20;
