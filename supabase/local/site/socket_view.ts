import { element } from "./element.ts";
import { find } from "./find.ts";
import { FrameLog } from "./frame_log.ts";
import { LiveSocket, type LiveSocketOptions, type SocketState, type SocketStatus } from "./live_socket.ts";

const STATE_NAMES: Readonly<Record<SocketState, string>> = {
  connecting: "Connecting",
  open: "Open",
  moving: "Handing over",
  waiting: "Waiting to retry",
  stopped: "Closed",
};

/**
 * Shows one live socket in its pane: state, isolate, age, what is left of its life, why it failed, and its frames. The
 * pane's send button works while the socket is open, unless the pane keeps what it cannot send yet.
 */
export class SocketView {
  readonly #pane: HTMLElement;
  readonly #frames: FrameLog;
  readonly #keepsUnsent: boolean;
  #socket: LiveSocket | undefined;
  #status: SocketStatus = { state: "stopped" };
  #clock: ReturnType<typeof setInterval> | undefined;

  constructor(pane: HTMLElement, { keepsUnsent = false } = {}) {
    this.#pane = pane;
    this.#keepsUnsent = keepsUnsent;
    find("header", pane).after(find<HTMLTemplateElement>("#socket").content.cloneNode(true));
    this.#frames = new FrameLog(pane);
    find<HTMLButtonElement>(".again button", pane).onclick = () => this.#socket?.retryNow();
  }

  /** Connects, in the place of the socket before. */
  connect(options: Omit<LiveSocketOptions, "onStatus" | "onTraffic">): LiveSocket {
    this.close();
    this.#clock = setInterval(() => this.#showTimes(), 1_000);
    this.#socket = new LiveSocket({
      ...options,
      onStatus: (status) => this.#show(status),
      onTraffic: (direction, data) => this.#frames.add(direction, data),
    });
    return this.#socket;
  }

  /** Shows an error that did not end the socket. It stays until `calm`, or until the socket's state changes. */
  warn(code: string, message: string): void {
    this.#showProblem(code, message);
  }

  /** Takes such an error away. */
  calm(): void {
    if (this.#status.failure === undefined) this.#showProblem();
  }

  close(): void {
    this.#socket?.close();
    clearInterval(this.#clock);
  }

  #show(status: SocketStatus): void {
    const { state, failure } = status;
    this.#status = status;
    this.#pane.dataset.state = state;
    const name = find(".state [role=status]", this.#pane);
    if (name.textContent !== STATE_NAMES[state]) name.textContent = STATE_NAMES[state];
    find(".again", this.#pane).hidden = state !== "waiting" && state !== "stopped";
    const isReady = state === "open" || state === "moving";
    for (const button of this.#pane.querySelectorAll<HTMLButtonElement>(".composer button, .extra button")) {
      button.disabled = !isReady && !this.#keepsUnsent;
    }
    if (failure === undefined) this.#showProblem();
    else this.#showProblem([failure.closeCode, failure.code].filter(Boolean).join(" "), failure.message);
    this.#showTimes();
  }

  #showProblem(code?: string, message?: string): void {
    const problem = find(".problem", this.#pane);
    if (code === undefined || message === undefined) return problem.replaceChildren();
    problem.replaceChildren(element("code", {}, code), ` ${message}`);
  }

  #showTimes(): void {
    const { isolate, isolateBornAt, openedAt, endsAt, retryAt } = this.#status;
    const now = Date.now();
    const facts: (Node | string)[] = [];
    if (isolate !== undefined) facts.push(element("span", {}, "isolate ", shortId(isolate)));
    if (isolateBornAt !== undefined) facts.push(element("span", {}, `${seconds(now - isolateBornAt)} old`));
    else if (openedAt !== undefined) facts.push(element("span", {}, `up ${seconds(now - openedAt)}`));
    if (endsAt !== undefined) facts.push(element("span", {}, `${seconds(endsAt - now)} left`));
    if (retryAt !== undefined) facts.push(element("span", {}, `next try in ${seconds(retryAt - now)}`));
    find(".facts", this.#pane).replaceChildren(...facts);
    const bornAt = isolateBornAt ?? openedAt;
    const left = endsAt === undefined || bornAt === undefined ? 0 : (endsAt - now) / (endsAt - bornAt);
    find(".life div", this.#pane).style.width = `${Math.max(0, Math.min(1, left)) * 100}%`;
  }
}

function shortId(id: string): HTMLElement {
  return element("code", { title: id }, id.slice(0, 8));
}

function seconds(ms: number): string {
  const whole = Math.max(0, Math.round(ms / 1_000));
  return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
