/**
 * An event of OpenAI Realtime, of the client or of the server: https://platform.openai.com/docs/api-reference/realtime.
 * The types of each are those of the package `openai`.
 */
export interface RealtimeEvent {
  readonly type: string;
  readonly [member: string]: unknown;
}

/** What a stage may do of itself, while an event passes or later, until `close`. */
export interface StageOutput {
  /** Sends an event on towards the client: the stages on that way see it, this one does not. */
  toClient(event: RealtimeEvent): void;
  /** Sends an event on towards the upstream: the stages on that way see it, this one does not. */
  toUpstream(event: RealtimeEvent): void;
  /** Ends both sides, after what was sent to the client before. */
  end(code: number, reason: string): void;
}

/** Whose session it is. */
export interface SessionInfo {
  readonly userId: string;
  /** The client's `session` parameter: the conversation to come back to. Without it nothing is kept. */
  readonly sessionId: string | undefined;
  /** The model that the upstream is dialled with. */
  readonly model: string;
}

/** What goes on in place of an event: the same object where it is unchanged, another, or `undefined` to stop it. */
export type Passed = RealtimeEvent | undefined;

/** What stood in a conversation before it was rebuilt at a fresh upstream. */
export interface RebuiltConversation {
  /** Its items, in order, with the ids that they had. */
  readonly items: readonly Readonly<Record<string, unknown>>[];
  /** Whether a response that was under way is asked for again by who rebuilt it. */
  readonly isAsked: boolean;
}

/**
 * One stage of one session. It sees each event in order, one at a time in each direction: while a promise of it is
 * pending, what follows in that direction waits, within the bounds of the pipe. A method that throws or rejects ends the
 * session with 1011.
 *
 * Events of the client come as parsed and go on as serialised anew, so that what a stage saw is what the upstream reads
 * (members that appear twice, too); one that no stage changed passes as the text that it was where that says the same to
 * every reader (`isCompact`). Binary frames and text that is no event never come here. Events of the server pass as the text
 * that they were wherever all stages gave back the object they were given.
 *
 * A kept conversation goes on with another upstream after a hand-over, a kill or OpenAI's own end of a session. What a stage
 * sends upstream in `open` is sent to each of them first; the events by which the conversation is rebuilt pass no stage. Where
 * the client may not have been told how the last turn ended, its events pass again towards the client, with the ids that they
 * had: `conversation.item.added` and `.done`, `response.output_item.done`, and `response.done` without its usage, which was
 * counted. A response that was cut off passes as a `response.done` with the status `cancelled`, without usage as well.
 */
export interface Stage {
  /** The types of server events that `fromUpstream` is to see; all others pass it unparsed. Never those of audio. */
  readonly serverEvents: ReadonlySet<string>;
  /** The types of server events that `arrived` is to see; never those of deltas. */
  readonly arrivals?: ReadonlySet<string>;
  /** The session begins: nothing passes in any direction, and the upstream is not dialled, before this has settled. */
  open?(output: StageOutput): void | Promise<void>;
  /**
   * The conversation stands at a fresh upstream: that of a connection before this one, called after `open` and before
   * anything passes, or this one's own, whose upstream was lost with all that was under way there.
   */
  rebuilt?(conversation: RebuiltConversation, output: StageOutput): void;
  /** Whether an item is kept from the client: then it is not told either that this one is gone. */
  hides?(item: Readonly<Record<string, unknown>>): boolean;
  fromClient?(event: RealtimeEvent, output: StageOutput): Passed | Promise<Passed>;
  fromUpstream?(event: RealtimeEvent, output: StageOutput): Passed | Promise<Passed>;
  /**
   * An event has come from the upstream. Called at once, whatever other stages take their time for, so that it is before any
   * of them sees the event; and also once the client is gone, while the upstream is kept.
   */
  arrived?(event: RealtimeEvent): void;
  /** A `response.create` has gone upstream, whoever it is of: the client, a stage, or who asks for it again after a rebuild. */
  asked?(create: RealtimeEvent): void;
  /** The upstream broke off, and what was under way there is lost. */
  upstreamLost?(): void;
  /**
   * The upstream is about to be closed, before `close` or after it. Where it has still to say what has to be heard by `arrived`,
   * this gives a promise, and the upstream is kept until that settles; `send` reaches it at once, past all stages.
   */
  parting?(send: (event: RealtimeEvent) => void): Promise<void> | undefined;
  /** The session is over, or passes to another isolate; called once, also where `open` failed. */
  close?(): void | Promise<void>;
}

/** Makes a stage for a session that begins. */
export type CreateStage = (session: SessionInfo) => Stage;
