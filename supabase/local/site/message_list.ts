import { element } from "./element.ts";

/** A bubble of a message list. */
export interface Bubble {
  /** Where it stands: smaller ones are above; equal ones in the order of their making. Default: at the end. */
  order?: number;
  readonly from: { readonly id: string; readonly name: string };
  readonly isOwn: boolean;
  text: string;
  readonly at: Date;
  /** What is to be said about it: that it is on its way, was edited, failed. */
  note?: string;
  state?: "pending" | "failed" | "deleted";
  /** More of the text is to come: a screen reader waits for all of it. */
  isUnfinished?: boolean;
}

const MOST_BUBBLES = 500;

/** A list of the last 500 bubbles, scrolled to the newest unless its reader has scrolled up. */
export class MessageList {
  readonly #list: HTMLElement;
  readonly #items: { bubble: Bubble; item: HTMLElement }[] = [];

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  /** Puts a bubble into its place. */
  add(bubble: Bubble): void {
    this.#keepingEndInSight(() => {
      const order = bubble.order ?? Infinity;
      const after = this.#items.findLastIndex(({ bubble }) => (bubble.order ?? Infinity) <= order);
      const entry = { bubble, item: element("article") };
      this.#items.splice(after + 1, 0, entry);
      this.#list.insertBefore(entry.item, this.#items[after + 2]?.item ?? null);
      this.#paint(entry);
      if (this.#items.length > MOST_BUBBLES) this.#items.shift()!.item.remove();
    });
  }

  /** Shows a bubble as it is now. */
  update(bubble: Bubble): void {
    const entry = this.#items.find((entry) => entry.bubble === bubble);
    if (entry) this.#keepingEndInSight(() => this.#paint(entry));
  }

  remove(bubble: Bubble): void {
    const index = this.#items.findIndex((entry) => entry.bubble === bubble);
    if (index >= 0) this.#items.splice(index, 1)[0]!.item.remove();
  }

  /** Says something that nobody wrote. */
  say(text: string): void {
    this.#keepingEndInSight(() => this.#list.append(element("p", { class: "notice" }, text)));
  }

  clear(): void {
    this.#items.length = 0;
    this.#list.replaceChildren();
  }

  #paint({ bubble, item }: { bubble: Bubble; item: HTMLElement }): void {
    const { from, isOwn, text, at, note, state, isUnfinished = false } = bubble;
    item.ariaBusy = String(isUnfinished);
    item.className = ["message", isOwn ? "own" : "", state ?? ""].join(" ").trim();
    item.replaceChildren(
      element(
        "p",
        { class: "by" },
        element("strong", {}, from.name),
        " ",
        element("time", { datetime: at.toISOString() }, at.toLocaleTimeString([], { timeStyle: "short" })),
      ),
      element("p", { class: "bubble" }, text),
      ...(note ? [element("p", { class: "note" }, note)] : []),
    );
  }

  #keepingEndInSight(change: () => void): void {
    const { scrollTop, clientHeight, scrollHeight } = this.#list;
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - 40;
    change();
    if (isAtEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }
}
