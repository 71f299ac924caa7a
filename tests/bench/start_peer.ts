import { eventually } from "../support/eventually.ts";
import { withFreePort } from "../support/free_port.ts";
import { type ServerProcess, startServerProcess } from "../support/start_server_process.ts";

/** What the peers are made of. Installed when they are measured: the project itself needs none of it. */
const PACKAGES = ["ws@8.23.0", "socket.io@4.8.4", "partyserver@0.5.10", "workerd@1.20261117.1", "bun@1.4.5"];

/** The folder in which the peers' packages are; removed when it is disposed of. */
export interface PeerPackages extends AsyncDisposable {
  readonly folder: string;
}

/** Installs the peers' packages from npm. */
export async function installPeers(): Promise<PeerPackages> {
  const folder = await Deno.makeTempDir({ prefix: "peers-" });
  const remove = () => Deno.remove(folder, { recursive: true });
  const args = ["install", "--no-audit", "--no-fund", "--silent", "--prefix", folder, ...PACKAGES];
  const { success, stderr } = await new Deno.Command("npm", { args, stdin: "null", stdout: "null" }).output();
  if (success) return { folder, [Symbol.asyncDispose]: remove };
  await remove();
  throw new Error(`Cannot install ${PACKAGES.join(", ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Starts a program of `peers/` on Node. It prints `listening on PORT`, and ends with its input. */
export async function startNodePeer(program: string, { folder }: PeerPackages): Promise<ServerProcess> {
  const path = new URL(`peers/${program}`, import.meta.url).pathname;
  return await startServerProcess({ program: "node", args: [path, folder] });
}

/** Starts the room that publishes by Bun's own topics, on Bun. */
export async function startBunPeer({ folder }: PeerPackages): Promise<ServerProcess> {
  const path = new URL("peers/bun_room.mjs", import.meta.url).pathname;
  return await startServerProcess({ program: `${folder}/node_modules/.bin/bun`, args: [path] });
}

/** Starts the room of partyserver on workerd, the open-source runtime of Cloudflare Workers, with objects in memory. */
export function startPartyPeer({ folder }: PeerPackages): Promise<ServerProcess> {
  return withFreePort((port) => startParty(folder, port));
}

async function startParty(folder: string, port: number): Promise<ServerProcess> {
  await Deno.writeTextFile(`${folder}/party_room.mjs`, PARTY_ROOM);
  const config = `${folder}/config-${port}.capnp`;
  await Deno.writeTextFile(config, partyConfig(port));
  const child = new Deno.Command(`${folder}/node_modules/.bin/workerd`, {
    args: ["serve", config],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  let hasEnded = false;
  child.status.then(() => hasEnded = true);
  await eventually("workerd answers", async () => {
    if (hasEnded) throw new Error("Cannot start workerd: it ended");
    return await fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text(), () => "") === NOT_FOUND;
  });
  return {
    host: `127.0.0.1:${port}`,
    pid: await programOf(child.pid),
    printed: [],
    async [Symbol.asyncDispose]() {
      // npm's `workerd` is a script of Node's, which ends with its program.
      Deno.kill(await programOf(child.pid), "SIGTERM");
      await child.status;
    },
  };
}

/** The process that a script of npm's has started in its place, or the script itself where it has become that program. */
async function programOf(pid: number): Promise<number> {
  const children = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`).catch(() => "");
  return Number(children.trim().split(" ")[0]) || pid;
}

/** What the room answers to whatever is no socket. */
const NOT_FOUND = "No party here";

/** The room of partyserver's guide: each is a Durable Object, and what one connection sends goes to every other one. */
const PARTY_ROOM = `
import { routePartykitRequest, Server } from "partyserver";
export class Room extends Server {
  onMessage(connection, message) {
    this.broadcast(message, [connection.id]);
  }
}
export default {
  fetch: async (request, env) => await routePartykitRequest(request, env) ?? new Response("${NOT_FOUND}", { status: 404 }),
};
`;

function partyConfig(port: number): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .room)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const room :Workerd.Worker = (
  modules = [
    (name = "main.mjs", esModule = embed "party_room.mjs"),
    (name = "partyserver", esModule = embed "node_modules/partyserver/dist/index.js"),
    (name = "nanoid", esModule = embed "node_modules/nanoid/index.browser.js"),
    (name = "url-alphabet/index.js", esModule = embed "node_modules/nanoid/url-alphabet/index.js"),
  ],
  compatibilityDate = "2026-01-01",
  bindings = [(name = "Room", durableObjectNamespace = "Room")],
  durableObjectNamespaces = [(className = "Room", uniqueKey = "room", enableSql = true)],
  durableObjectStorage = (inMemory = void),
);
`;
}
