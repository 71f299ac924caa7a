import type { RealtimeResponse, RealtimeServerEvent } from "openai/resources/realtime/realtime";
import { eventually } from "../../support/eventually.ts";
import { type SocketOpening, TestSocket } from "../../support/socket.ts";

/** The event of the server of a type. */
export type EventOf<Type extends RealtimeServerEvent["type"]> = Extract<RealtimeServerEvent, { type: Type }>;

/** A client of OpenAI Realtime without a library, for tests that look at single events. */
export class RealtimeClient implements AsyncDisposable {
  readonly socket: TestSocket;
  /** All that has come. */
  readonly events: RealtimeServerEvent[] = [];
  #seen = 0;

  private constructor(socket: TestSocket) {
    this.socket = socket;
    socket.socket.addEventListener("message", ({ data }) => this.events.push(JSON.parse(data)));
  }

  /** Opens a URL, with an API key (or, through a relay, a token) by subprotocol where one is given. */
  static async open(url: string, key?: string, opening: SocketOpening = {}): Promise<RealtimeClient> {
    const protocols = key === undefined ? undefined : ["realtime", `openai-insecure-api-key.${key}`];
    const client = new RealtimeClient(new TestSocket(url, { protocols, ...opening }));
    await client.socket.open();
    return client;
  }

  send(event: { type: string; [member: string]: unknown }): void {
    this.socket.send(JSON.stringify(event));
  }

  /** The next event of a type, behind the last that this gave; what came in between is passed over. */
  next<Type extends RealtimeServerEvent["type"]>(type: Type): Promise<EventOf<Type>> {
    return eventually(`"${type}" arrives`, () => {
      const at = this.events.findIndex((event, index) => index >= this.#seen && event.type === type);
      if (at === -1) return false;
      this.#seen = at + 1;
      return this.events[at] as EventOf<Type>;
    }, { everyMs: 5 });
  }

  /** All events of a type that have come. */
  all<Type extends RealtimeServerEvent["type"]>(type: Type): EventOf<Type>[] {
    return this.events.filter((event): event is EventOf<Type> => event.type === type);
  }

  /** Sends a user's message, asks for an answer, and gives the response once it is done. */
  async ask(text: string, response?: Record<string, unknown>): Promise<RealtimeResponse> {
    this.say(text);
    this.send({ type: "response.create", ...response && { response } });
    return (await this.next("response.done")).response;
  }

  /** Sends a user's message. */
  say(text: string): void {
    const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
    this.send({ type: "conversation.item.create", item });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.socket[Symbol.asyncDispose]();
  }
}
