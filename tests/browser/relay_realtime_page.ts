/** The script of a page that comes to Realtime through the relay, once by every route. */
import { createClient, type RealtimeChannel, RealtimeClient } from "@supabase/supabase-js";
import { RelaySocket } from "../../shared/client/relay_socket.ts";

/** The routes, which are also the names of those who take them. */
export const ROUTE_NAMES = ["endpoint", "transport", "url"] as const;

/** What who came by one route heard the others say, as `ROUTE: TEXT`. */
export interface Heard {
  readonly by: string;
  readonly said: string[];
}

interface Place {
  readonly url: string;
  readonly key: string;
  readonly token: string;
}

interface Member extends Heard {
  readonly client: RealtimeClient;
  readonly channel: RealtimeChannel;
  joined: number;
}

declare global {
  // A `var`, since only that is a property of the global object.
  var joinByEveryRoute: (place: Place) => Promise<typeof ROUTE_NAMES>;
  var say: (text: string) => Promise<void>;
  var heard: () => Heard[];
  /** Whom each sees present. */
  var seen: () => string[][];
  var haveJoined: (times: number) => boolean;
  var leave: () => Promise<void>;
}

const SUPABASE = { auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false } };

const ROUTES: Readonly<Record<typeof ROUTE_NAMES[number], (place: Place) => RealtimeClient>> = {
  endpoint: ({ url, key, token }) =>
    new RealtimeClient(`${url.replace("http", "ws")}/functions/v1/relay/supabase/realtime/v1`, {
      params: { apikey: key, jwt: token },
    }),
  transport: ({ url, key, token }) =>
    createClient(url, key, {
      ...SUPABASE,
      realtime: { transport: RelaySocket.with({ relay: `${url}/functions/v1/relay/supabase`, token: () => token }) },
    }).realtime,
  url: ({ url, key, token }) =>
    createClient(`${url}/functions/v1/relay/supabase`, key, {
      ...SUPABASE,
      accessToken: () => Promise.resolve(token),
      realtime: { params: { jwt: token } },
    }).realtime,
};

const members: Member[] = [];

globalThis.joinByEveryRoute = async (place) => {
  await Promise.all(ROUTE_NAMES.map((by) => join(by, ROUTES[by](place))));
  return ROUTE_NAMES;
};
globalThis.say = async (text) => {
  for (const { by, channel } of members) {
    await channel.send({ type: "broadcast", event: "said", payload: { text: `${by}: ${text}` } });
  }
};
globalThis.heard = () => members.map(({ by, said }) => ({ by, said }));
globalThis.seen = () => members.map(({ channel }) => Object.keys(channel.presenceState()).sort());
globalThis.haveJoined = (times) => members.every(({ joined }) => joined >= times);
globalThis.leave = async () => {
  for (const { client } of members) await client.removeAllChannels();
};

/** Settles when it has joined for the first time; it is present from then on. */
function join(by: string, client: RealtimeClient): Promise<void> {
  const channel = client.channel("hall", { config: { presence: { key: by, enabled: true } } });
  const member: Member = { by, client, channel, said: [], joined: 0 };
  members.push(member);
  channel.on("broadcast", { event: "said" }, ({ payload }) => member.said.push(payload.text));
  return new Promise((resolve) => {
    channel.subscribe(async (status) => {
      if (status !== "SUBSCRIBED") return;
      if (++member.joined === 1) await channel.track({});
      resolve();
    });
  });
}
