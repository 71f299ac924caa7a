import { assert, assertEquals, assertThrows } from "@std/assert";
import { RelaySocket, type RelaySocketOptions } from "../../shared/client/relay_socket.ts";
import { startStandIn } from "../relay/stand_in_upstream.ts";
import { signToken, startRelay, TOKEN } from "../relay/start_relay.ts";
import { within } from "../support/within.ts";

/** What a socket tells, by `on…` and by listeners alike. */
function record(socket: RelaySocket) {
  const events: string[] = [];
  const tell = (way: string) => (event: Event) => {
    const { data, code, reason, message } = event as unknown as Record<string, unknown>;
    events.push([way, event.type, data ?? code ?? message, reason].filter((part) => part !== undefined).join(" "));
  };
  socket.onopen =
    socket.onmessage =
    socket.onerror =
    socket.onclose =
      tell("on");
  for (const type of ["open", "message", "error", "close"] as const) socket.addEventListener(type, tell("listener"));
  return events;
}

function next<K extends keyof WebSocketEventMap>(socket: RelaySocket, type: K): Promise<WebSocketEventMap[K]> {
  const event = new Promise<WebSocketEventMap[K]>((resolve) => {
    socket.addEventListener(type, resolve, { once: true });
  });
  return within(`${type} of a RelaySocket`, event);
}

Deno.test("RelaySocket passes text, binary and the close as they are, with the token in no URL", async () => {
  await using upstream = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl, subprotocols: ["v1"], query: ["model"] }]);
  const socket = new RelaySocket(`${relay.socketUrl}/relay/up?model=m`, ["v1"], { token: TOKEN });
  const events = record(socket);
  socket.binaryType = "arraybuffer";
  assertEquals([socket.readyState, socket.protocol, socket.extensions, socket.bufferedAmount], [0, "", "", 0]);
  await next(socket, "open");
  assertEquals([socket.readyState, socket.protocol], [socket.OPEN, "v1"]);
  socket.send("text");
  assertEquals((await next(socket, "message")).data, "text");
  socket.send(new Uint8Array([1, 2]));
  assertEquals((await next(socket, "message")).data, new Uint8Array([1, 2]).buffer);
  const closed = next(socket, "close");
  socket.close(4001, "enough");
  assertEquals(socket.readyState, RelaySocket.CLOSING);
  assertEquals((await closed).wasClean, true);
  assertEquals(socket.readyState, RelaySocket.CLOSED);
  assertEquals(events, [
    "on open",
    "listener open",
    "on message text",
    "listener message text",
    "on message [object ArrayBuffer]",
    "listener message [object ArrayBuffer]",
    "on close 4001 enough",
    "listener close 4001 enough",
  ]);
  const { address, closed: upstreamClosed } = await upstream.next();
  assertEquals(address, "/?model=m");
  assertEquals(await upstreamClosed, { code: 4001, reason: "enough" });
  assert(!socket.url.includes(TOKEN));
});

Deno.test("RelaySocket shows no subprotocol where only its token was agreed on", async () => {
  await using upstream = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  const socket = new RelaySocket(`${relay.socketUrl}/relay/up`, undefined, { token: TOKEN });
  await next(socket, "open");
  assertEquals(socket.protocol, "");
  socket.close();
  await next(socket, "close");
});

Deno.test("RelaySocket.with() makes sockets that ask for a token each, and come to the upstream of the relay", async () => {
  await using upstream = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl, paths: ["/v1/x"], query: ["a"] }]);
  let asked = 0;
  const Socket = RelaySocket.with({
    relay: `${relay.url}/relay/up/`,
    token: () => Promise.resolve(++asked === 1 ? "garbage" : TOKEN),
  });
  const refused = new Socket("wss://project.example/v1/x?a=1");
  assertEquals(refused.url, `${relay.socketUrl}/relay/up/v1/x?a=1`);
  assertEquals((await next(refused, "close")).code, 4401);
  const socket = new Socket("wss://project.example/v1/x?a=1", "v1");
  assert(socket instanceof RelaySocket);
  await next(socket, "open");
  assertEquals([asked, (await upstream.next()).address], [2, "/?a=1"]);
  socket.close();
  await next(socket, "close");
});

const failures: { name: string; token: RelaySocketOptions["token"]; message: string }[] = [
  {
    name: "a token that cannot be fetched",
    token: () => {
      throw new Error("offline");
    },
    message: "The token could not be fetched",
  },
  {
    name: "a promise of one that fails",
    token: () => Promise.reject(new Error("offline")),
    message: "The token could not be fetched",
  },
  { name: "nobody signed in", token: () => undefined, message: "There is no token: nobody is signed in" },
  { name: "an empty token", token: "", message: "There is no token: nobody is signed in" },
  {
    name: "a token that no subprotocol can carry",
    token: "s3cret token",
    message: "The URL, a subprotocol or the token is not one that a WebSocket can have",
  },
];

for (const { name, token, message } of failures) {
  Deno.test(`RelaySocket ends with error and 1006 for ${name}, and quotes none`, async () => {
    const socket = new RelaySocket("ws://127.0.0.1:9/relay/up", [], { token });
    const events = record(socket);
    await next(socket, "close");
    assertEquals(events, [
      `on error ${message}`,
      `listener error ${message}`,
      "on close 1006 ",
      "listener close 1006 ",
    ]);
    assertEquals(socket.readyState, RelaySocket.CLOSED);
    socket.close();
    socket.send("into the void, as of every closed socket");
  });
}

Deno.test("RelaySocket that is closed while its token is fetched never connects", async () => {
  await using upstream = startStandIn();
  await using relay = startRelay([{ url: upstream.socketUrl }]);
  const token = Promise.withResolvers<string>();
  const socket = new RelaySocket(`${relay.socketUrl}/relay/up`, [], { token: () => token.promise });
  const events = record(socket);
  assertThrows(() => socket.send("early"), DOMException, "not open yet");
  socket.close();
  socket.close();
  assertEquals(socket.readyState, RelaySocket.CLOSING);
  await next(socket, "close");
  token.resolve(await signToken());
  await token.promise;
  await relay.idle();
  assertEquals(socket.readyState, RelaySocket.CLOSED);
  assertEquals(events.map((event) => event.split(" ").slice(0, 2).join(" ")), [
    "on error",
    "listener error",
    "on close",
    "listener close",
  ]);
  assertEquals(upstream.dialled.length, 0);
});

Deno.test("RelaySocket throws for a URL that is none", () => {
  assertThrows(() => new RelaySocket("nowhere", [], { token: TOKEN }), TypeError);
});
