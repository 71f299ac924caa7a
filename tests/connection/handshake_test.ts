import { assertEquals } from "@std/assert";
import Client from "ws";
import { relayTo, type ServeOptions } from "../../shared/connection/mod.ts";
import { RawSocket } from "../support/raw_socket.ts";
import { openSocket } from "../support/socket.ts";
import { echoing, startKernel } from "./kernel.ts";

const BAD: [string, Parameters<RawSocket["request"]>[0], number, string][] = [
  ["no key", { headers: { "Sec-WebSocket-Key": undefined } }, 400, "The handshake lacks Sec-WebSocket-Key"],
  ["no version", { headers: { "Sec-WebSocket-Version": undefined } }, 400, "Sec-WebSocket-Version must be 13"],
  ["an old version", { headers: { "Sec-WebSocket-Version": "8" } }, 400, "Sec-WebSocket-Version must be 13"],
  ["a POST", { method: "POST" }, 400, "A WebSocket handshake is a GET request"],
  ["no Connection: Upgrade", { headers: { Connection: "keep-alive" } }, 400, "The handshake lacks Connection: Upgrade"],
  [
    "another upgrade",
    { headers: { Upgrade: "h2c" } },
    426,
    "This address speaks WebSocket: connect with new WebSocket",
  ],
  ["no upgrade", { headers: { Upgrade: undefined } }, 426, "This address speaks WebSocket: connect with new WebSocket"],
];

for (const [what, request, status, detail] of BAD) {
  Deno.test(`a handshake with ${what} is answered with ${status} in plain HTTP`, async () => {
    await using kernel = startKernel(({ processes }) => relayTo(processes.spawn({})));
    using raw = await RawSocket.connect(kernel.host);
    const answer = await raw.handshake(request);
    const problem = JSON.parse(answer.body);
    assertEquals([answer.status, problem.status], [status, status]);
    assertEquals(problem.detail.slice(0, detail.length), detail);
    assertEquals(answer.headers.get("content-type"), "application/problem+json");
    assertEquals([kernel.processes.count, kernel.errors], [0, []], "no handler ran, nothing was thrown");
  });
}

Deno.test("a version other than 13 is told which one to speak", async () => {
  await using kernel = startKernel(({ processes }) => relayTo(processes.spawn({})));
  using raw = await RawSocket.connect(kernel.host);
  const { headers } = await raw.handshake({ headers: { "Sec-WebSocket-Version": "8" } });
  assertEquals(headers.get("sec-websocket-version"), "13");
});

for (
  const headers of [
    { Upgrade: "WebSocket", Connection: "upgrade" },
    { Upgrade: "WEBSOCKET", Connection: "keep-alive, Upgrade" },
    { Upgrade: "websocket", Connection: "UPGRADE" },
  ]
) {
  Deno.test(`a handshake with ${JSON.stringify(headers)} passes`, async () => {
    await using kernel = startKernel(({ processes }) => relayTo(processes.spawn(echoing(processes))));
    using raw = await RawSocket.connect(kernel.host);
    assertEquals((await raw.handshake({ headers })).status, 101);
    await raw.sendFrame(1, "x");
    assertEquals((await raw.nextFrame())?.opcode, 1);
  });
}

const OFFERS: [string | undefined, string | null][] = [
  [undefined, null],
  ["jwt-TOKEN", "jwt-TOKEN"],
  ["jwt-TOKEN, chat.v1", "chat.v1"],
  ["chat.v1, jwt-TOKEN", "chat.v1"],
  ["chat.v1,jwt-TOKEN", "chat.v1"],
  ["jwt-TOKEN,chat.v1", "chat.v1"],
  ["jwt-TOKEN , chat.v1,\tchat.v2", "chat.v1"],
  ["realtime,openai-insecure-api-key.KEY", "realtime"],
  [",", null],
  ["not a name", null],
];

for (const [offered, answered] of OFFERS) {
  Deno.test(`the offer of subprotocols ${JSON.stringify(offered)} is answered with ${answered}, also by a refusal`, async () => {
    for (const options of [{}, { maxConnections: 1 }] satisfies ServeOptions[]) {
      await using kernel = startKernel(({ processes }) => relayTo(processes.spawn(echoing(processes))), options);
      await using _other = "maxConnections" in options ? await kernel.connect() : undefined;
      using raw = await RawSocket.connect(kernel.host);
      const { status, headers } = await raw.handshake({ headers: { "Sec-WebSocket-Protocol": offered } });
      assertEquals([status, headers.get("sec-websocket-protocol")], [101, answered]);
      if ("maxConnections" in options) {
        assertEquals((await raw.nextClose())?.code, 1013);
        continue;
      }
      await raw.sendFrame(1, "x");
      assertEquals(new TextDecoder().decode((await raw.nextFrame())?.payload), "x");
      assertEquals(kernel.errors, []);
    }
  });
}

Deno.test("a handler names the subprotocol to answer with; one that was not offered is not answered with", async () => {
  await using kernel = startKernel(({ processes }) => relayTo(processes.spawn(echoing(processes)), { protocol: "b" }));
  await using client = await openSocket(kernel.socketUrl, { protocols: ["a", "b"] });
  assertEquals(client.socket.protocol, "b");
  for (const [offered, answered] of [["a, c", "a"], [undefined, null]] as const) {
    using raw = await RawSocket.connect(kernel.host);
    const { status, headers } = await raw.handshake({ headers: { "Sec-WebSocket-Protocol": offered } });
    assertEquals([status, headers.get("sec-websocket-protocol")], [101, answered]);
  }
});

Deno.test("npm's ws, which offers with bare commas, is answered", async () => {
  await using kernel = startKernel(({ processes }) => relayTo(processes.spawn(echoing(processes))));
  const client = new Client(kernel.socketUrl, ["chat.v1", "jwt-TOKEN"]);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  client.on("open", () => client.send("there and back"));
  client.on("message", (data: { toString(): string }) => resolve(data.toString()));
  client.on("error", reject);
  assertEquals(await promise, "there and back");
  assertEquals(client.protocol, "chat.v1");
  const closed = new Promise((resolve) => client.on("close", resolve));
  client.close();
  await closed;
});
