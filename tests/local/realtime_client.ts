import {
  createClient,
  type RealtimeChannel,
  type RealtimeChannelOptions,
  type RealtimeClientOptions,
  type SupabaseClient,
} from "@supabase/supabase-js";
import type { LocalSupabase } from "../../supabase/local/start_local.ts";
import { eventually } from "../support/eventually.ts";
import { within } from "../support/within.ts";

/** What one broadcast brought. */
export interface Received {
  event: string;
  payload: unknown;
  meta?: { id: string };
}

/** A channel of a real supabase-js, and what it was told. */
export interface TestChannel {
  readonly channel: RealtimeChannel;
  /** Statuses that `subscribe` reported, in their order: `SUBSCRIBED`, or `CHANNEL_ERROR: why`. */
  readonly statuses: string[];
  readonly received: Received[];
  /** Messages of the `system` kind, such as why a channel ended. */
  readonly system: string[];
  /** Settles with the next status but one that is there already. */
  status(nth: number): Promise<string>;
  /** Settles when `count` broadcasts are there. */
  broadcasts(count: number): Promise<Received[]>;
}

/** A client of real supabase-js. */
export interface RealtimeTestClient extends AsyncDisposable {
  readonly supabase: SupabaseClient;
  /** Prepares a channel without joining it. */
  channel(topic: string, config?: RealtimeChannelOptions["config"]): TestChannel;
  /** Takes another user's token, or another token of the same user. */
  setToken(token: string): Promise<void>;
  /** Joins a channel; settles with its first status. */
  join(topic: string, config?: RealtimeChannelOptions["config"]): Promise<TestChannel>;
}

/**
 * Makes a client with a key of the project and, if given, a user's token. It comes back quickly after a lost connection.
 * A client's first join carries the token only where it was set before.
 */
export function realtimeClient(
  local: LocalSupabase,
  { key = local.publishableKey, token, ...realtime }: { key?: string; token?: string } & RealtimeClientOptions = {},
): RealtimeTestClient {
  const supabase = createClient(local.url, key, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    realtime: { timeout: 5_000, reconnectAfterMs: () => 50, ...realtime },
    ...(token ? { accessToken: () => Promise.resolve(token!) } : {}),
  });
  const client: RealtimeTestClient = {
    supabase,
    channel: (topic, config = {}) => watch(supabase.channel(topic, { config })),
    async setToken(newToken) {
      token = newToken;
      await supabase.realtime.setAuth(token);
    },
    async join(topic, config) {
      if (token) await supabase.realtime.setAuth(token);
      const channel = client.channel(topic, config);
      subscribe(channel);
      await channel.status(0);
      return channel;
    },
    async [Symbol.asyncDispose]() {
      await within("the channels are left", supabase.removeAllChannels());
    },
  };
  return client;
}

/** Joins a channel that `RealtimeTestClient.channel` prepared. */
export function subscribe({ channel, statuses }: TestChannel): void {
  channel.subscribe((status, error) => statuses.push(error ? `${status}: ${error.message}` : status));
}

function watch(channel: RealtimeChannel): TestChannel {
  const statuses: string[] = [];
  const received: Received[] = [];
  const system: string[] = [];
  channel.on("broadcast", { event: "*" }, (message) => received.push(message as unknown as Received));
  channel.on("system", {}, ({ message }: { message: string }) => system.push(message));
  return {
    channel,
    statuses,
    received,
    system,
    status: (nth) => eventually(`status ${nth} of ${channel.topic}: ${statuses}`, () => statuses[nth]),
    async broadcasts(count) {
      await eventually(`${count} broadcasts on ${channel.topic}`, () => received.length >= count);
      return received;
    },
  };
}
