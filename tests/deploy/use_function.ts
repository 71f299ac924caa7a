import { assertEquals, assertMatch } from "@std/assert";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { ServerProcess } from "../support/start_server_process.ts";

/** Starts the function with an environment. */
type Start = (env: Record<string, string>) => Promise<ServerProcess>;

/** Starts a function as the platform would and uses it as a client does: plain requests, then a socket. */
export async function useFunction(slug: string, start: Start): Promise<void> {
  const caller = await createCaller();
  await using upstream = startEchoingUpstream();
  await using running = await start({
    ...caller.env,
    RELAY_UPSTREAMS: JSON.stringify({ loopback: { url: upstream.url } }),
  });
  const address = `${running.host}/${slug}`;

  const plain = await fetch(`http://${address}`);
  assertEquals([plain.status, (await plain.json()).status], [426, 426]);
  assertMatch(plain.headers.get("content-type") ?? "", /^application\/problem\+json/);
  const health = await fetch(`http://${address}/health`);
  const { store } = await health.json();
  assertEquals([health.status, store], [200, slug === "chat" ? { backend: "memory" } : undefined]);

  await USES[slug]?.(`ws://${address}`, caller);
}

const USES: Readonly<Record<string, (url: string, caller: Caller) => Promise<void>>> = {
  async echo(url) {
    await using client = await openClient(`${url}?plain`);
    client.socket.send("as it is");
    assertEquals(await client.next(), "as it is");
  },
  async chat(url, { userId, token }) {
    await using client = await openClient(`${url}?jwt=${token}&room=lobby`);
    const { type, message, user_id, room } = JSON.parse(await client.next());
    assertEquals({ type, message, user_id, room }, {
      type: "connection",
      message: "connected",
      user_id: userId,
      room: "lobby",
    });
  },
  async relay(url, { token }) {
    await using client = await openClient(`${url}/loopback?jwt=${token}`);
    client.socket.send("there and back");
    assertEquals(await client.next(), "there and back");
  },
};

interface Caller {
  readonly userId: string;
  readonly token: string;
  /** What the platform would tell the function of this project. */
  readonly env: Record<string, string>;
}

/** A user of a project that signs tokens with a key of its own; no server of that project is needed to verify them. */
async function createCaller(): Promise<Caller> {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const supabaseUrl = "http://127.0.0.1:9";
  const userId = crypto.randomUUID();
  const token = await new SignJWT({ role: "authenticated" })
    .setProtectedHeader({ alg: "ES256", kid: "deploy" })
    .setSubject(userId).setIssuer(`${supabaseUrl}/auth/v1`).setAudience("authenticated")
    .setIssuedAt().setExpirationTime("5m").sign(privateKey);
  const key = { ...await exportJWK(publicKey), kid: "deploy", alg: "ES256", use: "sig" };
  const env = {
    SUPABASE_URL: supabaseUrl,
    // No server of that project is there.
    CHAT_STORE: "memory",
    CHAT_BUS: "memory",
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: "sb_publishable_deploy" }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: "sb_secret_deploy" }),
    SUPABASE_JWKS: JSON.stringify({ keys: [key] }),
  };
  return { userId, token, env };
}

interface Upstream extends AsyncDisposable {
  readonly url: string;
}

function startEchoingUpstream(): Upstream {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) => socket.send(data);
    return response;
  });
  return { url: `ws://127.0.0.1:${server.addr.port}/`, [Symbol.asyncDispose]: () => server.shutdown() };
}

interface Client extends AsyncDisposable {
  readonly socket: WebSocket;
  /** The next text frame; rejects with the close code where the socket closes before one comes. */
  next(): Promise<string>;
}

async function openClient(url: string): Promise<Client> {
  const socket = new WebSocket(url);
  const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve, { once: true }));
  const frames = new ReadableStream<string>({
    start(controller) {
      socket.onmessage = ({ data }) => controller.enqueue(data);
      closed.then(() => controller.close());
    },
  });
  const reader = frames.getReader();
  const opened = new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
  await Promise.race([opened, closed]);
  return {
    socket,
    async next() {
      const { done, value } = await reader.read();
      if (!done) return value;
      const { code, reason } = await closed;
      throw new Error(`The socket closed ${code}: ${reason}`);
    },
    async [Symbol.asyncDispose]() {
      socket.close(1000, "done");
      await closed;
    },
  };
}
