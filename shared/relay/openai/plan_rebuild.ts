import type { DueResponse, KeptItem, RebuildItem, SessionRecord } from "./session_store.ts";
import type { RealtimeEvent } from "./stage.ts";

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
 * Items are created by the rules for a fresh conversation: an output only where its call is there. A response that was cut
 * off is over as far as the client knows: it is told that it was cancelled, and that its items are gone. Where it may not have
 * been told how the last turn went, it is told of that turn again, from the last message of the user on.
 */
export function planRebuild(record: SessionRecord): RebuildPlan {
  const items = rebuildable(record.items);
  const creates = items.map((item) => {
    const event_id = createId(item.id);
    return [event_id, { type: "conversation.item.create", event_id, item }] as const;
  });
  const again = record.due.filter((due) => canBeAskedAgain(due, record.items));
  return {
    creates: new Map(creates),
    notices: [...cutOff(record.due), ...lastTurn(record, items)],
    repeated: record.pending,
    due: again.map(({ create, retries }) => ({ create, responseId: null, itemIds: [], retries: retries + 1 })),
    lost: record.due.filter((due) => !again.includes(due)),
  };
}

/** The id of the event by which an item is created again. */
export function createId(id: string): string {
  return `relay_rebuild_${id}`;
}

function rebuildable(items: readonly KeptItem[]): RebuildItem[] {
  const calls = new Set<unknown>();
  return items.flatMap(({ item }) => {
    if (item === null) return [];
    if (item.type === "function_call") calls.add(item.call_id);
    return item.type === "function_call_output" && !calls.has(item.call_id) ? [] : [item];
  });
}

/** A response to what was only said, and not transcribed, would be one to what was said before. */
function canBeAskedAgain({ create, retries }: DueResponse, items: readonly KeptItem[]): boolean {
  if (retries >= MAX_RETRIES) return false;
  const { input } = create.response as { input?: unknown } | undefined ?? {};
  return input !== undefined || items.at(-1)?.item !== null;
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
      { type: "response.done", event_id: eventId(), response },
      ...itemIds.map((id) => ({ type: "conversation.item.deleted", event_id: eventId(), item_id: id })),
    ];
  });
}

function lastTurn({ told, lastEnd }: SessionRecord, items: readonly RebuildItem[]): RealtimeEvent[] {
  if (told) return [];
  const start = Math.max(0, items.findLastIndex(({ role }) => role === "user"));
  const added = items.slice(start).flatMap((item, index) => {
    const members = {
      event_id: eventId(),
      item: { object: "realtime.item", status: "completed", ...item },
      previous_item_id: items[start + index - 1]?.id ?? null,
    };
    return [
      { type: "conversation.item.added", ...members },
      { type: "conversation.item.done", ...members, event_id: eventId() },
    ];
  });
  return lastEnd === null ? added : [...added, ...endOf(lastEnd)];
}

/** The end of a response, with what it has said before; without its usage, which was counted. */
function endOf(done: RealtimeEvent): RealtimeEvent[] {
  const { usage: _counted, ...response } = done.response as Readonly<Record<string, unknown>>;
  const output = (response.output ?? []) as readonly unknown[];
  return [
    ...output.map((item, index) => ({
      type: "response.output_item.done",
      event_id: eventId(),
      response_id: response.id,
      output_index: index,
      item,
    })),
    { ...done, event_id: eventId(), response },
  ];
}

function eventId(): string {
  return `event_${crypto.randomUUID().replaceAll("-", "")}`;
}
