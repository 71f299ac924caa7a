import type { ChatServerFrame, PresentMember } from "../../../shared/protocol/chat_server_frames.ts";
import { element } from "./element.ts";

type PresenceFrame = Extract<ChatServerFrame, { type: "presence" }>;

/** Who types is believed to go on for so long. */
const TYPING_LASTS_MS = 3_500;

/** Who is in the room, and who of them writes. */
export class PeopleView {
  readonly #list: HTMLElement;
  readonly #typingNotice: HTMLElement;
  readonly #ownId: string;
  readonly #people = new Map<string, PresentMember>();
  readonly #typing = new Map<string, { name: string; timer: ReturnType<typeof setTimeout> }>();

  constructor(list: HTMLElement, typingNotice: HTMLElement, ownId: string) {
    this.#list = list;
    this.#typingNotice = typingNotice;
    this.#ownId = ownId;
  }

  update({ state, joined = [], left = [] }: PresenceFrame): void {
    if (state) this.#people.clear();
    for (const member of [...state ?? [], ...joined]) this.#people.set(member.user_id, member);
    for (const { user_id } of left) {
      this.#people.delete(user_id);
      this.stoppedTyping(user_id);
    }
    this.#list.replaceChildren(...[...this.#people.values()].map((member) => this.#person(member)));
  }

  /** The name of a user, or the beginning of the id of one who is not here. */
  nameOf(userId: string): string {
    return this.#people.get(userId)?.name ?? userId.slice(0, 8);
  }

  typing(userId: string, name = this.nameOf(userId)): void {
    clearTimeout(this.#typing.get(userId)?.timer);
    const timer = setTimeout(() => this.stoppedTyping(userId), TYPING_LASTS_MS);
    this.#typing.set(userId, { name, timer });
    this.#showTyping();
  }

  stoppedTyping(userId: string): void {
    clearTimeout(this.#typing.get(userId)?.timer);
    if (this.#typing.delete(userId)) this.#showTyping();
  }

  clear(): void {
    for (const { timer } of this.#typing.values()) clearTimeout(timer);
    this.#typing.clear();
    this.#people.clear();
    this.#list.replaceChildren();
    this.#showTyping();
  }

  #person({ user_id, connections }: PresentMember): HTMLElement {
    const name = this.nameOf(user_id);
    const avatar = element("span", { class: "avatar", "aria-hidden": "true" }, [...name][0]?.toUpperCase() ?? "?");
    avatar.style.setProperty("--hue", String(hueOf(user_id)));
    const suffix = user_id === this.#ownId ? " (you)" : "";
    return element("li", { title: `${connections} open` }, avatar, `${name}${suffix}`);
  }

  #showTyping(): void {
    const names = [...this.#typing.values()].map(({ name }) => name);
    const text = names.length === 0 ? "" : `${names.join(", ")} ${names.length === 1 ? "is" : "are"} typing…`;
    if (this.#typingNotice.textContent !== text) this.#typingNotice.textContent = text;
  }
}

/** An angle of the colour wheel, the same for the same user everywhere. */
function hueOf(userId: string): number {
  let hash = 0;
  for (const character of userId) hash = (hash * 31 + character.charCodeAt(0)) % 360;
  return hash;
}
