import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Buffer } from "node:buffer";
// @ts-types="./ws.d.ts"
import { WebSocketServer } from "ws";
import { pathOf } from "../incoming.ts";
import type { ProjectKeys } from "../keys.ts";
import type { Database } from "../open_database.ts";
import { refuseUpgrade } from "../outgoing.ts";
import type { TokenResigner } from "../resign_tokens.ts";
import { answerBroadcast } from "./answer_broadcast.ts";
import { createAuthorize } from "./authorize.ts";
import { Connection } from "./connection.ts";
import { type BroadcastFaults, type FaultCounts, FaultyDelivery } from "./faulty_delivery.ts";
import { forwardMessages } from "./forward_messages.ts";
import { createIdentify } from "./identify.ts";
import { FREE_PLAN_LIMITS, type RealtimeLimits } from "./limits.ts";
import { createMessageRate } from "./message_rate.ts";
import type { Version } from "./message.ts";
import type { RealtimeContext } from "./realtime_context.ts";
import { Topics } from "./topics.ts";

/** Where Realtime is. */
export const REALTIME_PREFIX = "/realtime/v1";

const SWEEP_MS = 5_000;

/** Makes go wrong, for tests, what can go wrong with Realtime. */
export interface RealtimeFaults {
  /** Puts faults on all broadcasts from now on, in the place of those before; without an argument it ends them. */
  broadcasts(faults?: BroadcastFaults): void;
  /** What these faults did so far. */
  counts(): FaultCounts;
  /** Ends all connections without a close frame, as a lost network does; supabase-js comes back. @returns how many */
  cutSockets(): number;
  /** Ends all channels of a topic (without `realtime:`) by `phx_close`, after which supabase-js stays away. @returns how many */
  closeChannels(topic: string): number;
  /** Ends all channels of a topic by `phx_error`, after which supabase-js joins again. @returns how many */
  failChannels(topic: string): number;
}

/** A running server. */
export interface Realtime {
  readonly faults: RealtimeFaults;
  /** Connections that are open, and the channels joined over them. */
  count(): { connections: number; channels: number };
  /** Answers a plain request under `/realtime/v1`. */
  answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void>;
  /** Answers an upgrade request under `/realtime/v1`. */
  upgrade(incoming: IncomingMessage, client: Socket, head: Uint8Array): void;
  /** Ends all connections. May be called twice. */
  close(): void;
}

/** What `startRealtime` works with. */
export interface RealtimeOptions {
  keys: ProjectKeys;
  tokens: TokenResigner;
  /** Default, for each that is left out: `FREE_PLAN_LIMITS`. */
  limits?: Partial<RealtimeLimits>;
  log: (line: string) => void;
}

/**
 * Starts a development server of the Realtime protocol, as supabase-js speaks it: broadcast (socket, REST and SQL),
 * presence, and private channels by the policies on `realtime.messages`, with the limits and ends of a hosted project.
 * It is one process that keeps all in memory and was made for nothing beyond this machine. It has no Postgres Changes:
 * a join that asks for them succeeds, and none arrives.
 */
export async function startRealtime(database: Database, options: RealtimeOptions): Promise<Realtime> {
  const limits = { ...FREE_PLAN_LIMITS, ...options.limits };
  const context: RealtimeContext = {
    topics: new Topics(),
    identify: createIdentify(options.keys, options.tokens),
    authorize: createAuthorize(database),
    limits,
    rate: createMessageRate(),
    faults: new FaultyDelivery(),
    log: (line) => options.log(`realtime | ${line}`),
  };
  const connections = new Set<Connection>();
  const sockets = new WebSocketServer({ noServer: true, maxPayload: limits.frameBytes, perMessageDeflate: false });
  const sweep = setInterval(() => {
    for (const connection of connections) if (connection.idleMs > limits.idleTimeoutMs) connection.cut();
  }, SWEEP_MS);

  await forwardMessages(database, {
    log: context.log,
    publish(topic, broadcast) {
      context.rate.count(1);
      if (broadcast.payload.length <= limits.payloadBytes) context.topics.publish(topic, broadcast);
    },
  });

  const channels = () => [...connections].flatMap((connection) => connection.channels);
  function endChannels(topic: string, event: "phx_close" | "phx_error"): number {
    const ended = channels().filter((channel) => channel.topic === `realtime:${topic}`);
    for (const channel of ended) channel.end(event);
    return ended.length;
  }

  return {
    faults: {
      broadcasts: (faults) => context.faults.set(faults),
      counts: () => context.faults.counts,
      cutSockets() {
        const cut = [...connections];
        for (const connection of cut) connection.cut();
        return cut.length;
      },
      closeChannels: (topic) => endChannels(topic, "phx_close"),
      failChannels: (topic) => endChannels(topic, "phx_error"),
    },
    count: () => ({ connections: connections.size, channels: channels().length }),
    answer: (incoming, outgoing) => answerBroadcast(context, incoming, outgoing),

    upgrade(incoming, client, head) {
      const query = new URL(incoming.url!, "http://localhost").searchParams;
      const identity = context.identify.byKey(query.get("apikey"));
      const version = query.get("vsn") ?? "1.0.0";
      if (pathOf(incoming) !== `${REALTIME_PREFIX}/websocket`) return refuseUpgrade(client, 404);
      if (!identity) return refuseUpgrade(client, 401);
      if (!isVersion(version)) return refuseUpgrade(client, 403);
      sockets.handleUpgrade(incoming, client, Buffer.from(head), (socket) => {
        const headers = { ...incoming.headers };
        const connection = new Connection(socket, { context, version, identity, headers });
        connections.add(connection);
        socket.on("close", () => connections.delete(connection));
      });
    },

    close() {
      clearInterval(sweep);
      context.faults.close();
      for (const connection of connections) connection.cut();
      sockets.close();
    },
  };
}

function isVersion(version: string): version is Version {
  return version === "1.0.0" || version === "2.0.0";
}
