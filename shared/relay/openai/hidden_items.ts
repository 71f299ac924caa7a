import type { RealtimeEvent } from "./stage.ts";

/** What a client calls the place before the first item. */
const ROOT = "root";

/**
 * Items of a conversation that one side does not see: each stands behind the item before it that both see, so that the other
 * items keep their places on both sides.
 */
export class HiddenItems {
  /** By the id of a hidden item: the item before it that both see, `null` for none; left out while that is not known. */
  readonly #visibleBefore = new Map<string, string | null | undefined>();
  /** By the id of an item that both see: the last hidden one behind it. */
  readonly #lastBehind = new Map<string, string>();

  has(id: unknown): boolean {
    return this.#visibleBefore.has(id as string);
  }

  /** Hides an item that stands behind `previousId`: `null` for the first, left out where that is not told yet. */
  add(id: string, previousId?: string | null): void {
    // Told again once it is complete, it would come before those that were added since.
    if (this.#visibleBefore.get(id) !== undefined) return;
    const before = previousId == null ? previousId : this.#visible(previousId);
    this.#visibleBefore.set(id, before);
    if (before !== undefined) this.#lastBehind.set(before ?? ROOT, id);
  }

  /** An event of the server whose `previous_item_id` is one that the client sees. */
  toClient(event: RealtimeEvent): RealtimeEvent {
    const { previous_item_id: previous } = event;
    if (!this.has(previous)) return event;
    return { ...event, previous_item_id: this.#visible(previous as string) ?? null };
  }

  /** An event of the client that adds behind what is hidden there, as it stands before that for the client. */
  toUpstream(event: RealtimeEvent): RealtimeEvent {
    const { previous_item_id: previous } = event;
    const last = typeof previous === "string" ? this.#lastBehind.get(previous) : undefined;
    return last === undefined ? event : { ...event, previous_item_id: last };
  }

  #visible(id: string): string | null | undefined {
    return this.#visibleBefore.has(id) ? this.#visibleBefore.get(id) : id;
  }
}
