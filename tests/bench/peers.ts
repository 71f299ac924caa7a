import { benchFanOut, type FanOutOptions } from "./fan_out.ts";
import { installPeers, type PeerPackages, startBunPeer, startNodePeer, startPartyPeer } from "./start_peer.ts";
import type { System } from "./systems.ts";
import type { Section } from "./table.ts";

/** The same as `benchFanOut`, saturated, with what others offer for rooms beside our own in the same run. */
export async function benchPeers(
  { systems, members, seconds, rounds, log }:
    & Omit<FanOutOptions, "cases">
    & { members: readonly number[]; seconds: number },
): Promise<Section> {
  await using packages = await installPeers();
  const cases = members.map((count) => ({ members: count, load: "saturated", durationMs: seconds * 1000 }));
  const section = await benchFanOut({ systems: [...systems, ...peers(packages)], cases, rounds, log });
  return { ...section, name: "peers" };
}

/** All of them send what comes to the others as it is, without a token, a check or a limit, as the plain room does. */
function peers(packages: PeerPackages): System[] {
  return [
    {
      name: "ws, Node",
      dialect: { frames: "plain", echoesSender: false },
      start: () => startNodePeer("ws_room.mjs", packages),
      url: ({ host }, room) => Promise.resolve(`ws://${host}/?room=${room}`),
    },
    {
      name: "Socket.IO, Node",
      dialect: { frames: "socket.io", echoesSender: false },
      start: () => startNodePeer("socket_io_room.mjs", packages),
      url: ({ host }, room) => Promise.resolve(`ws://${host}/socket.io/?EIO=4&transport=websocket&room=${room}`),
    },
    {
      name: "partyserver, workerd",
      dialect: { frames: "plain", echoesSender: false },
      start: () => startPartyPeer(packages),
      url: ({ host }, room) => Promise.resolve(`ws://${host}/parties/room/${room}`),
    },
    {
      name: "native publish, Bun",
      dialect: { frames: "plain", echoesSender: false },
      start: () => startBunPeer(packages),
      url: ({ host }, room) => Promise.resolve(`ws://${host}/?room=${room}`),
    },
  ];
}
