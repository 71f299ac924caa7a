import type { Bus } from "../../shared/bus/bus.ts";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { BufferBudget } from "../../shared/connection/buffer_budget.ts";
import { Connection } from "../../shared/connection/connection.ts";
import { Counters } from "../../shared/connection/counters.ts";
import { Places } from "../../shared/connection/places.ts";
import { parseRelay, RELAY_HEADER } from "../../shared/connection/relay_to.ts";
import { connectionLimits, resolveSocketOptions } from "../../shared/connection/socket_options.ts";
import { Timers } from "../../shared/connection/timers.ts";
import { Isolate } from "../../shared/isolate/isolate.ts";
import { Processes } from "../../shared/process/mod.ts";
import { createChat } from "../../shared/room/create_chat.ts";
import type { Store } from "../../shared/store/store.ts";
import { testAuthenticator } from "./serve_chat.ts";

/** A socket without a network, as far as a connection uses one: what is sent to it is counted, and thrown away. */
export class StandInSocket {
  binaryType = "";
  #listener: EventListenerObject | undefined;
  /** Frames that were sent to it. */
  frames = 0;
  /** How often it was asked what it has buffered. */
  looks = 0;

  get bufferedAmount(): number {
    this.looks++;
    return 0;
  }

  /** A connection listens by one object for all events. */
  addEventListener(_type: string, listener: EventListenerObject): void {
    this.#listener = listener;
  }

  removeEventListener(): void {
    this.#listener = undefined;
  }

  open(): void {
    this.#listener?.handleEvent(new Event("open"));
  }

  /** The client sends a frame. */
  receive(data: string): void {
    this.#listener?.handleEvent({ type: "message", data } as MessageEvent<string>);
  }

  send(_data: unknown): void {
    this.frames++;
  }

  close(): void {}
}

/** A chat isolate whose connections have no network: what is left is what the functions' own code does. */
export interface InProcessChat {
  readonly processes: Processes;
  /** Connects user `user`, with the query that a client would use. */
  connect(user: number, query: string): Promise<StandInSocket>;
  close(): void;
}

/** What it is made of. */
export interface InProcessChatOptions {
  readonly store: Store;
  readonly bus?: Bus;
}

const UNLIMITED = { messagesPerSecond: 1e9, messageBurst: 1e9, bytesPerSecond: 1e12, byteBurst: 1e12 };

export function inProcessChat({ store, bus = memoryBus() }: InProcessChatOptions): InProcessChat {
  const processes = new Processes();
  const isolate = new Isolate({ id: processes.isolateId, events: new EventTarget(), wallClockMs: 36_000_000 });
  const chat = createChat({ store, bus, processes, isolate, authenticator: testAuthenticator });
  const options = resolveSocketOptions(UNLIMITED);
  const connections: Connection[] = [];
  const timers = new Timers();
  const context = {
    options,
    processes,
    isolate,
    counters: new Counters(),
    buffers: new BufferBudget(options.maxBufferedBytesTotal, () => connections, timers),
    places: new Places(options),
    timers,
    ended() {},
  };
  return {
    processes,
    async connect(user, query) {
      const request = new Request(`http://localhost/chat?jwt=${user}&${query}`);
      const response = await chat.handle(request, {
        isolate,
        limits: connectionLimits(options),
        refusalFor: () => undefined,
        buffers: context.buffers,
      });
      const header = response.headers.get(RELAY_HEADER);
      if (header === null) throw new Error(`The chat refuses "${query}": ${await response.text()}`);
      const socket = new StandInSocket();
      const relay = parseRelay(header);
      connections.push(new Connection(context, socket as unknown as WebSocket, relay, { controlFrames: true }));
      socket.open();
      return socket;
    },
    close() {
      for (const { pid } of connections) processes.exit(pid);
      chat.close();
    },
  };
}
