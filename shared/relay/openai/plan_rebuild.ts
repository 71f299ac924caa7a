import { createEventId, createOwnId } from "./event_id.ts";
import type { DueResponse, PendingEvent, RebuildItem, SessionRecord } from "./session_store.ts";
import { refusalEvent } from "./refusal_event.ts";
import type { RealtimeEvent } from "./stage.ts";

type Json = Readonly<Record<string, unknown>>;

/** What to do with a fresh upstream, so that a conversation goes on. */
export interface RebuildPlan {
  /** The items to create, in order, by the id of the event that creates each. */
  readonly creates: ReadonlyMap<string, RealtimeEvent & { readonly item: RebuildItem }>;
  /** What the client may not know. */
  readonly notices: readonly RealtimeEvent[];
  /** What the client asked for and the upstream before did not confirm. */
  readonly repeated: readonly RealtimeEvent[];
  /** What is still due, to be asked for again. */
  readonly due: readonly DueResponse[];
  /** Responses that cannot be asked for again: what was asked went with the audio. */
  readonly lost: readonly DueResponse[];
}

/** How often a response is asked for again, should each upstream or isolate be lost while it is under way. */
export const MAX_RETRIES = 5;

/**
 * Plans how to rebuild a conversation and what to say of it.
 *
 * Items are created by the rules for a fresh conversation: an output only where its call is there, and none that the client
 * has asked to delete. A response that was cut off is over as far as the client knows: it is told that it was cancelled, and
 * that its items are gone. Where it may not have been told how the last turn went, it is told of that turn again, from the
 * last message of the user on, and of all from the first item on that it may not know.
 */
export function planRebuild(record: SessionRecord): RebuildPlan {
  const items = rebuildable(record);
  const creates = items.map((item) => {
    const event_id = createId(item.id);
    return [event_id, { type: "conversation.item.create", event_id, item }] as const;
  });
  const repeated = repeatable(record);
  const wanted = record.due.filter(({ isCancelled }) => !isCancelled);
  const again = wanted.filter((due) => canBeAskedAgain(due, record, repeated));
  return {
    creates: new Map(creates),
    notices: [...cutOff(record.due), ...untold(record, items), ...lostInput(record.pending)],
    repeated,
    due: again.map(({ create, retries }) => ({
      create: { event_id: createOwnId(), ...create },
      responseId: null,
      itemIds: [],
      retries: retries + 1,
    })),
    lost: wanted.filter((due) => !again.includes(due)),
  };
}

/** The id of the event by which an item is created again. */
export function createId(id: string): string {
  return `relay_rebuild_${id}`;
}

function rebuildable({ items, pending }: SessionRecord): RebuildItem[] {
  const deleted = new Set(pending.map(({ event }) => isDelete(event) && event.item_id));
  const calls = new Set<unknown>();
  return items.flatMap(({ id, item }) => {
    if (item === null || deleted.has(id)) return [];
    if (item.type === "function_call") calls.add(item.call_id);
    return item.type === "function_call_output" && !calls.has(item.call_id) ? [] : [item];
  });
}

/** What is pending, but for what has happened by the rebuild itself, or was audio. */
function repeatable({ items, pending }: SessionRecord): RealtimeEvent[] {
  const isKnown = (id: unknown) => items.some((item) => item.id === id);
  return pending.filter(isWhole).map(({ event }) => event).filter((event) =>
    isDelete(event) ? !isKnown(event.item_id) : event.type !== "conversation.item.truncate" || isKnown(event.item_id)
  );
}

function isDelete({ type }: RealtimeEvent): boolean {
  return type === "conversation.item.delete";
}

/** Whether all is there that an event said: nothing of what was said aloud is, and nothing of what may not be kept. */
function isWhole({ event }: PendingEvent): boolean {
  const member = MEMBERS[event.type];
  return member !== undefined && event[member] !== undefined;
}

/** The member without which an event says nothing, by its type. */
const MEMBERS: Readonly<Record<string, string>> = {
  "session.update": "session",
  "conversation.item.create": "item",
  "conversation.item.delete": "item_id",
  "conversation.item.truncate": "item_id",
};

/**
 * Not where the model would answer something else: what was only said, and not transcribed, or was on its way as audio, is
 * not there any more; what was said before has been answered.
 */
function canBeAskedAgain(
  { create, responseId, retries }: DueResponse,
  { items, pending }: SessionRecord,
  repeated: readonly RealtimeEvent[],
): boolean {
  if (retries >= MAX_RETRIES) return false;
  const { input, conversation } = (create.response ?? {}) as Json;
  if (input != null) return true;
  if (responseId === null && pending.some(wasAudio)) return false;
  const added = repeated.findLast(({ type }) => type === "conversation.item.create");
  const last = added === undefined ? items.at(-1)?.item : added.item as Json;
  return last !== null && (last?.role !== "assistant" || conversation === "none");
}

/** Whether a user's audio, or an item that may not be kept, is not confirmed. */
function wasAudio(pending: PendingEvent): boolean {
  const { type } = pending.event;
  return type === "input_audio_buffer.commit" || (type === "conversation.item.create" && !isWhole(pending));
}

/** What has to be said, or sent, once more: nobody else has it. */
function lostInput(pending: readonly PendingEvent[]): RealtimeEvent[] {
  const message = "What was sent was lost with its connection: it was audio, or too long to be kept.";
  return pending.filter(wasAudio).map(({ event }) =>
    refusalEvent({ type: "server_error", code: "input_lost", message }, event)
  );
}

function cutOff(due: readonly DueResponse[]): RealtimeEvent[] {
  return due.flatMap(({ responseId, itemIds }) => {
    if (responseId === null) return [];
    const response = {
      object: "realtime.response",
      id: responseId,
      status: "cancelled",
      status_details: { type: "cancelled" },
      output: [],
    };
    return [
      { type: "response.done", event_id: createEventId(), response },
      ...itemIds.map((id) => ({ type: "conversation.item.deleted", event_id: createEventId(), item_id: id })),
    ];
  });
}

function untold({ told, untold, ends }: SessionRecord, items: readonly RebuildItem[]): RealtimeEvent[] {
  if (told) return [];
  const isUntold = new Set(untold);
  const lastTurn = Math.max(0, items.findLastIndex(({ role }) => role === "user"));
  const first = items.findIndex(({ id }) => isUntold.has(id));
  const start = first === -1 ? lastTurn : Math.min(first, lastTurn);
  const added = items.slice(start).flatMap((item, index) => {
    const members = {
      event_id: createEventId(),
      item: { object: "realtime.item", status: "completed", ...item },
      previous_item_id: items[start + index - 1]?.id ?? null,
    };
    return [
      { type: "conversation.item.added", ...members },
      { type: "conversation.item.done", ...members, event_id: createEventId() },
    ];
  });
  return [...added, ...ends.flatMap(endOf)];
}

/** The end of a response, with what it has said before; without its usage, which was counted. */
function endOf(done: RealtimeEvent): RealtimeEvent[] {
  const { usage: _counted, ...response } = done.response as Json;
  const output = (response.output ?? []) as readonly unknown[];
  return [
    ...output.map((item, index) => ({
      type: "response.output_item.done",
      event_id: createEventId(),
      response_id: response.id,
      output_index: index,
      item,
    })),
    { ...done, event_id: createEventId(), response },
  ];
}
