import type { KeptItem, RebuildItem } from "./session_store.ts";

/** What may be kept of a conversation. Beyond that its oldest turns go. */
export interface ConversationLimits {
  readonly maxItems: number;
  /** Of its items as JSON. */
  readonly maxBytes: number;
}

/** An item, and whether it is complete: one that is being said is not kept. */
interface Entry {
  readonly id: string;
  place: number;
  item: RebuildItem | null;
  audioMs: number;
  isOpen: boolean;
}

/** What became of a conversation since it was asked last. */
export interface ConversationChanges {
  readonly put: readonly KeptItem[];
  readonly remove: readonly string[];
}

/** The items of a conversation in order, as far as they fit, with what has to be stored of it. */
export class RecordedConversation {
  readonly #limits: ConversationLimits;
  #entries: Entry[];
  #bytes = 0;
  readonly #changed = new Set<string>();
  readonly #removed = new Set<string>();

  constructor(limits: ConversationLimits, items: readonly KeptItem[] = []) {
    this.#limits = limits;
    this.#entries = items.map((item) => ({ ...item, isOpen: false }));
    for (const { item } of this.#entries) this.#bytes += sizeOf(item);
  }

  /** The items that are complete. */
  get items(): readonly KeptItem[] {
    return this.#entries.filter(({ isOpen }) => !isOpen).map(kept);
  }

  has(id: string): boolean {
    return this.#find(id) !== undefined;
  }

  isOpen(id: string): boolean {
    return this.#find(id)?.isOpen ?? false;
  }

  itemOf(id: string): RebuildItem | null | undefined {
    return this.#find(id)?.item;
  }

  audioMsOf(id: string): number {
    return this.#find(id)?.audioMs ?? 0;
  }

  /** The id of the item before another that an upstream knows as well; `undefined` where there is none. */
  before(id: string): string | undefined {
    const at = this.#entries.findIndex((entry) => entry.id === id);
    return this.#entries.slice(0, Math.max(0, at)).findLast(({ item, isOpen }) => item !== null || isOpen)?.id;
  }

  /**
   * Adds an item behind `previousId`: first where that is `null`, last where it is left out or not known here. One that is
   * `open` keeps its place, and is complete by the next `set`.
   */
  add(id: string, item: RebuildItem | null, previousId: string | null | undefined, { isOpen = false } = {}): void {
    if (this.has(id)) return this.set(id, item, { isOpen });
    const before = previousId == null ? -1 : this.#entries.findIndex((entry) => entry.id === previousId);
    const at = previousId === null ? 0 : before === -1 ? this.#entries.length : before + 1;
    this.#entries.splice(at, 0, { id, item, place: this.#placeAt(at), audioMs: 0, isOpen });
    this.#bytes += sizeOf(item);
    if (!isOpen) this.#touch(id);
    this.#dropOldest();
  }

  /** Replaces what is kept of an item; does nothing for one that is not here. */
  set(
    id: string,
    item: RebuildItem | null,
    { isOpen = false, audioMs }: { isOpen?: boolean; audioMs?: number } = {},
  ): void {
    const entry = this.#find(id);
    if (entry === undefined) return;
    this.#bytes += sizeOf(item) - sizeOf(entry.item);
    entry.item = item;
    entry.isOpen = isOpen;
    entry.audioMs = audioMs ?? entry.audioMs;
    if (!isOpen) this.#touch(id);
    this.#dropOldest();
  }

  delete(id: string): void {
    const entry = this.#find(id);
    if (entry === undefined) return;
    this.#bytes -= sizeOf(entry.item);
    this.#entries = this.#entries.filter((other) => other !== entry);
    this.#changed.delete(id);
    if (!entry.isOpen) this.#removed.add(id);
  }

  /** What changed since the last call. */
  takeChanges(): ConversationChanges {
    const put = this.#entries.filter(({ id }) => this.#changed.has(id)).map(kept);
    const remove = [...this.#removed];
    this.#changed.clear();
    this.#removed.clear();
    return { put, remove };
  }

  #touch(id: string): void {
    this.#changed.add(id);
    this.#removed.delete(id);
  }

  #find(id: string): Entry | undefined {
    return this.#entries.findLast((entry) => entry.id === id);
  }

  /** A place between the neighbours of an index; where there is none left, all get new ones. */
  #placeAt(index: number): number {
    const before = this.#entries[index - 1]?.place;
    const after = this.#entries[index]?.place;
    if (after === undefined) return (before ?? 0) + 1;
    if (before === undefined) return after - 1;
    const middle = (before + after) / 2;
    if (middle > before && middle < after) return middle;
    this.#entries.forEach((entry, at) => {
      entry.place = at < index ? at : at + 1;
      if (!entry.isOpen) this.#touch(entry.id);
    });
    return index;
  }

  /** Drops turns from the beginning, each up to the next message of the user, as long as there is more than may be. */
  #dropOldest(): void {
    const { maxItems, maxBytes } = this.#limits;
    while (this.#entries.length > 1 && (this.#entries.length > maxItems || this.#bytes > maxBytes)) {
      const next = this.#entries.findIndex(({ item }, at) => at > 0 && item?.role === "user");
      const dropped = this.#entries.slice(0, next === -1 ? 1 : next);
      if (dropped.some(({ isOpen }) => isOpen)) return;
      for (const { id } of dropped) this.delete(id);
    }
  }
}

function kept({ id, place, item, audioMs }: Entry): KeptItem {
  return { id, place, item, audioMs };
}

function sizeOf(item: RebuildItem | null): number {
  return item === null ? 0 : JSON.stringify(item).length;
}
