import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { ChatNet, opened, record } from "./chat_net.ts";

const ROOT = new URL("../../", import.meta.url);
const MAX_CLIENT_BYTES = 10_000;
const MAX_REACT_BYTES = 5_000;
const MAX_COMPLAINT = 4_000;

/** What an application writes with the package. */
const CONSUMER = `
import { type Chat, connectChat } from "edge-sockets";
import { useMessageWebSocket } from "edge-sockets/react";

const chat: Chat = connectChat({ url: "https://example.com/functions/v1/chat", token: "x", room: "lobby" });
chat.on("presence", ({ state, joined = [] }) => [...state ?? [], ...joined].map(({ name }) => name?.toUpperCase()));
chat.on("reaction", ({ emoji, removed }) => removed ? emoji.length : 0);
chat.on("status", (status) => status.status === "reconnecting" && status.error.code);
chat.send({ body: "hello" }).then(({ seq }) => seq.toFixed());

export function useLobby() {
  const { messages, unreadCount, send } = useMessageWebSocket({ url: "/functions/v1/chat", token: "x", room: "lobby" });
  send("hello").then(({ id }) => id);
  return messages.map(({ body, state, error }) => [body, state, error?.code, unreadCount?.toFixed()]);
}
`;

/** Holds the types that are packed against those of the schemas. */
const sameTypes = (packed: string, own: string) => `
import type * as packedServer from "${packed}chat_server_frames.ts";
import type * as packedClient from "${packed}chat_client_frames.ts";
import type * as server from "${own}chat_server_frames.ts";
import type * as client from "${own}chat_client_frames.ts";

type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false;
type FrameOf<F, T> = Extract<F, { type: T }>;
export const all: Same<packedServer.ChatServerFrame, server.ChatServerFrame> = true;
export const each: { [T in server.ChatServerFrame["type"]]: Same<FrameOf<packedServer.ChatServerFrame, T>, FrameOf<server.ChatServerFrame, T>> } =
  {} as { [T in server.ChatServerFrame["type"]]: true };
export const sent: { [T in client.ChatClientFrame["type"]]: Same<packedClient.ChatClientFrameOf<T>, client.ChatClientFrameOf<T>> } =
  {} as { [T in client.ChatClientFrame["type"]]: true };
export const message: Same<packedServer.Message, server.Message> = true;
`;

/** The package asks for Node 22; what that has and Node 20 has not is given to it. */
const CHAT_ONCE = `
Promise.withResolvers ??= function () {
  const made = {};
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};
const { ChatError, connectChat } = await import("edge-sockets");
const chat = connectChat({ url: process.argv[2], token: () => "1", room: "lobby" });
await chat.send({ body: "from Node" });
chat.close();
const { code } = await chat.send({ body: "too late" }).catch((error) => error instanceof ChatError ? error : {});
if (code !== "closed") throw new Error("It is not closed: " + code);
`;

Deno.test("deno task package: what npm installs of it has its types and works in Node, and JSR takes it", async (t) => {
  const folder = await Deno.makeTempDir();
  try {
    const said = await run("deno", ["run", "-A", "scripts/package_client.ts", `${folder}/dist`], ROOT.pathname);

    await t.step("the client alone has less than 10 KB, the hooks less than 5", () => {
      const [client, react] = ["client", "react"].map((name) =>
        Number(new RegExp(`${name}.js: (\\d+) bytes`).exec(said)![1])
      );
      assert(client! < MAX_CLIENT_BYTES, `The client has ${client} bytes`);
      assert(react! < MAX_REACT_BYTES, `The hooks have ${react} bytes`);
    });

    await t.step("npm packs and installs it without any other package", async () => {
      const [{ filename, files }] = JSON.parse(await run("npm", ["pack", "--json"], `${folder}/dist/npm`));
      const names: string[] = files.map(({ path }: { path: string }) => path);
      assert(
        names.every((name) => /^(types\/.*\.d\.ts|(client|react)\.js|package\.json|README\.md|LICENSE)$/.test(name)),
        names.join(),
      );
      await Deno.mkdir(`${folder}/app`);
      await Deno.writeTextFile(`${folder}/app/package.json`, `{ "type": "module" }`);
      const options = ["--offline", "--no-audit", "--no-fund", "--omit=peer"];
      await run("npm", ["install", ...options, `${folder}/dist/npm/${filename}`], `${folder}/app`);
      const installed = await Array.fromAsync(Deno.readDir(`${folder}/app/node_modules`), ({ name }) => name);
      assertEquals(installed.filter((name) => !name.startsWith(".")), ["edge-sockets"]);
    });

    await t.step("it names neither zod nor a path of this machine", async () => {
      for (
        const path of [
          "client.js",
          "types/client/mod.d.ts",
          "types/protocol/chat_server_frames.d.ts",
          "types/react/use_room.d.ts",
        ]
      ) {
        const text = await Deno.readTextFile(`${folder}/app/node_modules/edge-sockets/${path}`);
        assertEquals(/zod|file:|\.ts"/.exec(text), null, path);
      }
    });

    await t.step("its types infer every event, and find what is wrong", async () => {
      const config = { nodeModulesDir: "manual", compilerOptions: { lib: ["dom", "esnext"], strict: true } };
      await Deno.writeTextFile(`${folder}/app/deno.json`, JSON.stringify(config));
      const check = (source: string) => complaints(`${folder}/app/main.ts`, source, `${folder}/app`);
      assertEquals(await check(CONSUMER), "");
      const wrong = CONSUMER.replace("emoji.length", "emoji.size").replace(`{ body: "hello" }`, `{ bodies: "" }`);
      assertMatch(await check(wrong), /'size' does not exist[^]*'bodies' does not exist/);
    });

    await t.step("its types of frames are those of the schemas", async () => {
      const [packed, own] = [`${folder}/dist/jsr/protocol/`, new URL("shared/protocol/", ROOT).href];
      const check = (source: string) =>
        complaints(`${folder}/same.ts`, source, ROOT.pathname, ["--config", "deno.json"]);
      const source = sameTypes(packed, own);
      assertEquals(await check(source), "");
      assertMatch(await check(source.replace("packedServer.Message,", "packedServer.AckFrame,")), /not assignable/);
    });

    await t.step("it chats from Node", async () => {
      await using net = new ChatNet();
      const bob = await opened(net.client(2, { room: "lobby" }));
      const heard = record(bob);
      await Deno.writeTextFile(`${folder}/app/chat.js`, CHAT_ONCE);
      await run("node", ["--experimental-websocket", "chat.js", `${net.proxy.url}/chat`], `${folder}/app`);
      await eventually("bob has it", () => heard.messages.length > 0);
      assertEquals(heard.bodies(), ["from Node"]);
    });

    await t.step("JSR takes its sources", async () => {
      await run("deno", ["publish", "--dry-run", "--allow-dirty", "--quiet", "--no-check"], `${folder}/dist/jsr`);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** What the type checker says against a module. */
async function complaints(path: string, source: string, cwd: string, args: string[] = []): Promise<string> {
  await Deno.writeTextFile(path, source);
  return await run("deno", ["check", "--quiet", ...args, path], cwd).catch((error) => error.message);
}

/** Runs a program to its end and gives what it said; throws what it complained of. */
async function run(program: "deno" | "node" | "npm", args: string[], cwd: string): Promise<string> {
  const path = program === "deno" ? Deno.execPath() : program;
  const env = { NO_COLOR: "1", npm_config_update_notifier: "false" };
  const { success, stdout, stderr } = await new Deno.Command(path, { args, cwd, env, stdin: "null" }).output();
  if (!success) throw new Error(`${program} ${args[0]}: ${new TextDecoder().decode(stderr).slice(-MAX_COMPLAINT)}`);
  return new TextDecoder().decode(stdout);
}
