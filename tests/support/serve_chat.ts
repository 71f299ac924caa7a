import type { Authenticator, Identity } from "../../shared/auth/mod.ts";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import type { Bus } from "../../shared/bus/bus.ts";
import { type ServeOptions, serveSockets } from "../../shared/connection/mod.ts";
import { Isolate } from "../../shared/isolate/isolate.ts";
import { Peers } from "../../shared/isolate/peers.ts";
import { Processes } from "../../shared/process/mod.ts";
import { err, ok } from "../../shared/protocol/result.ts";
import { type ChatOptions, createChat } from "../../shared/room/create_chat.ts";
import { type MemoryStore, memoryStore } from "../../shared/store/memory_store.ts";
import type { Store } from "../../shared/store/store.ts";
import { serve } from "./serve.ts";
import { openSocket, type TestSocket } from "./socket.ts";

/** A user of the tests: `userId(1)` is always the same. */
export function userId(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
}

/**
 * Takes `N`, `N:SECONDS` or `N:SECONDS:NAME` for a token of user N that expires in so many seconds (default an hour). How
 * real tokens are checked is the subject of tests/auth; here it is what a session does with the answer.
 */
export const testAuthenticator: Authenticator = {
  authenticate: (request) => testAuthenticator.verify(new URL(request.url).searchParams.get("jwt") ?? ""),
  verify: (token) => {
    const [n = "", seconds = "3600", name = `user ${n}`] = token.split(":");
    if (!/^\d+$/.test(n)) return Promise.resolve(err({ code: "unauthorized", message: "The token is refused" }));
    if (Number(seconds) <= 0) return Promise.resolve(err({ code: "token_expired", message: "The token has expired" }));
    const identity: Identity = {
      userId: userId(Number(n)),
      role: "authenticated",
      name,
      expiresAt: Date.now() + Number(seconds) * 1000,
    };
    return Promise.resolve(ok(identity));
  },
};

/** What a chat isolate of a test is made of, where it is not the default. */
export interface ServeChatOptions extends Partial<Omit<ChatOptions, "store" | "bus" | "processes" | "isolate">> {
  readonly store?: Store;
  readonly bus?: Bus;
  readonly sockets?: ServeOptions;
}

/** A chat isolate in this process. Several on one store and one bus are what the platform makes of a busy function. */
export interface ServedChat extends AsyncDisposable {
  readonly store: MemoryStore;
  readonly isolate: Isolate;
  readonly url: string;
  readonly errors: readonly unknown[];
  readonly processes: Processes;
  readonly rooms: () => number;
  /** A connection of user `user`, after its `connection` frame where it is not raw. */
  connect(user: number, query?: string): Promise<TestSocket & { first: Record<string, unknown> }>;
}

/** Serves a chat, on a memory store and bus where no others are given. */
export function serveChat(options: ServeChatOptions = {}): ServedChat {
  const { store = memoryStore(), bus = memoryBus(), sockets, ...chatOptions } = options;
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const processes = new Processes({ onCrash: (_pid, error) => onError(error) });
  const isolate = new Isolate({ id: processes.isolateId, events: new EventTarget() });
  const chat = createChat({
    store,
    bus,
    processes,
    isolate,
    authenticator: testAuthenticator,
    peers: new Peers({ isolateId: processes.isolateId, broadcast: bus }),
    headCheckMs: 200,
    leaveGraceMs: 0,
    lingerMs: 0,
    onError,
    ...chatOptions,
  });
  const served = serve(
    serveSockets(chat.handle, { isolate, processes, http: chat.http, health: chat.health, onError, ...sockets }),
  );
  return {
    store: store as MemoryStore,
    isolate,
    url: served.url,
    errors,
    processes,
    rooms: () => chat.health().rooms,
    connect: async (user, query = "") => {
      const socket = await openSocket(`${served.socketUrl}/chat?jwt=${user}&${query}`);
      const first = query.includes("format=raw") ? {} : await socket.nextJson();
      return Object.assign(socket, { first });
    },
    async [Symbol.asyncDispose]() {
      chat.close();
      isolate.dispose();
      await served[Symbol.asyncDispose]();
    },
  };
}
