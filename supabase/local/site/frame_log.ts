import { element } from "./element.ts";
import { find } from "./find.ts";

const MOST_FRAMES = 200;
const MOST_CHARACTERS = 600;
/** Three parts of base64url, the first of which begins a JSON object: a token, wherever it stands. */
const TOKEN = /eyJ[\w-]+\.[\w-]*\.[\w-]*/g;

/** The frames of one socket for those who want to see them, newest first; the last 200, tokens left out. */
export class FrameLog {
  readonly #details: HTMLElement;
  readonly #list: HTMLElement;
  readonly #count: HTMLElement;
  #total = 0;

  constructor(pane: HTMLElement) {
    pane.append(find<HTMLTemplateElement>("#frames").content.cloneNode(true));
    this.#details = find(".frames", pane);
    this.#list = find("ol", this.#details);
    this.#count = find(".count", this.#details);
  }

  add(direction: "in" | "out", data: string | ArrayBuffer): void {
    const item = element(
      "li",
      { class: direction },
      element("span", { class: "arrow", "aria-hidden": "true" }, direction === "in" ? "↓" : "↑"),
      element("span", { class: "hidden" }, direction === "in" ? "received" : "sent"),
      element("time", {}, new Date().toISOString().slice(11, 23)),
      element("code", {}, describe(data)),
    );
    this.#list.prepend(item);
    if (this.#list.childElementCount > MOST_FRAMES) this.#list.lastElementChild?.remove();
    this.#count.textContent = String(++this.#total);
  }
}

function describe(data: string | ArrayBuffer): string {
  if (typeof data !== "string") return `${data.byteLength.toLocaleString("en")} bytes`;
  const text = data.replace(TOKEN, "(token)");
  if (text.length <= MOST_CHARACTERS) return text;
  return `${text.slice(0, MOST_CHARACTERS)}… (${data.length.toLocaleString("en")} characters)`;
}
