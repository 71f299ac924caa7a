import { assert, assertEquals } from "@std/assert";
import { relayTo } from "../../shared/connection/mod.ts";
import { EXIT, type Inbox, type Pid } from "../../shared/process/mod.ts";
import { eventually } from "../support/eventually.ts";
import { type RawSocket, TEXT } from "../support/raw_socket.ts";
import { openSocket } from "../support/socket.ts";
import { echoing, type Kernel, spawnWatcher, startKernel } from "./kernel.ts";

Deno.test("a target that ends closes its connections: 1000 where it ended normally, 1011 by a crash or unknown", async () => {
  const ends: [string, number, string][] = [
    ["/exits", 1000, "done"],
    ["/returns", 1000, "done"],
    ["/is-ended", 1000, "done"],
    ["/throws", 1011, "internal: The server process behind this connection failed"],
    ["/rejects", 1011, "internal: The server process behind this connection failed"],
    ["/inbox-throws", 1011, "internal: The server process behind this connection failed"],
    ["/throws-on-join", 1011, "internal: The server process behind this connection failed"],
    ["/fails", 1011, "internal: The server process behind this connection failed"],
    ["/unknown", 1011, "internal: The server process behind this connection failed"],
    ["/another-isolate", 1011, "internal: The server process behind this connection failed"],
  ];
  await using kernel = startKernel(({ processes }, request) => {
    const secret = () => {
      throw new Error("postgres://user:s3cret@db");
    };
    const behaviours: Record<string, (self: { exit(): void; pid: Pid }) => unknown> = {
      "/exits": (self) => self.exit(),
      "/is-ended": ({ pid }) => processes.exit(pid),
      "/throws": secret,
      "/rejects": () => Promise.reject(new Error("s3cret")),
      "/fails": ({ pid }) => processes.exit(pid, "out_of_luck"),
    };
    const { pathname } = new URL(request.url);
    if (pathname === "/unknown") return relayTo("test.999");
    if (pathname === "/another-isolate") return relayTo("elsewhere.1");
    if (pathname === "/throws-on-join") return relayTo(processes.spawn({ "ws.join": secret }));
    if (pathname === "/returns" || pathname === "/inbox-throws") {
      return relayTo(processes.spawn(async (inbox: Inbox) => {
        for await (const { topic } of inbox) {
          if (topic !== "ws.message") continue;
          if (pathname === "/returns") return;
          secret();
        }
      }));
    }
    return relayTo(
      processes.spawn({
        "ws.message": (_: unknown, self: Parameters<typeof behaviours[string]>[0]) => behaviours[pathname]!(self),
      }),
    );
  });
  for (const [path, code, reason] of ends) {
    const client = await openSocket(kernel.socketUrl + path);
    client.send("end");
    assertEquals(await client.closed, { code, reason }, path);
    const frames = client.waiting.map((frame) => JSON.parse(frame as string));
    const message = "The server process behind this connection failed";
    assertEquals(frames, code === 1000 ? [] : [{ type: "error", code: "internal", message }], path);
  }
  await kernel.idle();
  assertEquals(kernel.errors.length, 4, "each crash was told to the server");
});

Deno.test("a target may be a registered name, and its end is heard of all the same", async () => {
  await using kernel = startKernel(() => relayTo("lobby"));
  const { processes } = kernel;
  const target = kernel.spawnTarget();
  processes.register("lobby", target.pid);
  const client = await kernel.connect();
  const { client_pid } = await target.next("ws.join");
  processes.register("table", kernel.processes.spawn(echoing(processes)));
  processes.send(client_pid, "ws.control", { target_pid: "table" });
  await target.next("ws.leave");
  client.send("x");
  assertEquals(await client.next(), "x");
  processes.exit(processes.whereis("table")!);
  assertEquals(await client.closed, { code: 1000, reason: "done" });
});

Deno.test("monitors of a connection's pid hear of its end, whatever it was, and linked processes end with it", async () => {
  const ends: [string, (kernel: Kernel, pid: Pid, raw: RawSocket) => unknown, string][] = [
    ["a close by the client", (_, __, raw) => raw.sendFrame(8, new Uint8Array([3, 232])), "normal"],
    ["a cut by the client", (_, __, raw) => raw[Symbol.dispose](), "lost"],
    ["bytes that are no frame", (_, __, raw) => raw.sendFrame(TEXT, "x", { reserved: 7 }), "lost"],
    ["ws.close", ({ processes }, pid) => processes.send(pid, "ws.close", { code: 4000 }), "normal"],
    ["its exit", ({ processes }, pid) => processes.exit(pid), "normal"],
    ["its kill", ({ processes }, pid) => processes.exit(pid, "killed"), "killed"],
    ["a frame too large", (_, __, raw) => raw.sendFrame(TEXT, "x".repeat(101)), "too_large"],
  ];
  await using kernel = startKernel(() => relayTo(target.pid), { maxFrameBytes: 100 });
  const target = kernel.spawnTarget();
  const watcher = spawnWatcher(kernel.processes);
  for (const [what, end, reason] of ends) {
    using raw = await kernel.connectRaw();
    const { client_pid } = await target.next("ws.join");
    kernel.processes.monitor(watcher.pid, client_pid);
    const linked = kernel.processes.spawn({});
    kernel.processes.link(linked, client_pid);
    await end(kernel, client_pid, raw);
    assertEquals(await watcher.next(), { pid: client_pid, reason }, what);
    assertEquals((await target.next("ws.leave")).client_pid, client_pid, what);
    assertEquals(kernel.processes.isAlive(linked), false, what);
  }
  await kernel.idle(2);
});

Deno.test("a connection hears of no end but its target's", async () => {
  await using kernel = startKernel(() => relayTo(lobby.pid));
  const [lobby, table] = [kernel.spawnTarget(), kernel.spawnTarget()];
  await using client = await kernel.connect();
  const { client_pid } = await lobby.next("ws.join");
  kernel.processes.monitor(client_pid, table.pid);
  kernel.processes.send(client_pid, "ws.control", { target_pid: table.pid });
  kernel.processes.exit(lobby.pid, "closed for today");
  kernel.processes.send(client_pid, EXIT, { pid: lobby.pid, reason: "late" });
  client.send("still here");
  assertEquals((await table.next("ws.message")).data, "still here");
});

Deno.test("a client that answers nothing for idleTimeoutMs is given up by the runtime, and its target hears that it is lost", async () => {
  await using kernel = startKernel(() => relayTo(target.pid), { idleTimeoutMs: 1_000 });
  const target = kernel.spawnTarget();
  await using alive = await kernel.connect();
  await target.next("ws.join");
  using raw = await kernel.connectRaw();
  const { client_pid } = await target.next("ws.join");
  assertEquals(await target.next("ws.leave"), { client_pid, reason: "lost", metadata: {} });
  alive.send("its WebSocket answers pings");
  await target.next("ws.message");
  raw[Symbol.dispose]();
});

Deno.test("the end of a process closes the connections linked to it", async () => {
  await using kernel = startKernel(() => relayTo(target.pid));
  const target = kernel.spawnTarget();
  for (const [reason, code] of [["normal", 1000], ["broken", 1011]] as const) {
    const client = await kernel.connect();
    const { client_pid } = await target.next("ws.join");
    const linked = kernel.processes.spawn({});
    kernel.processes.link(linked, client_pid);
    kernel.processes.exit(linked, reason);
    assertEquals((await client.closed).code, code);
    assertEquals((await target.next("ws.leave")).reason, "exited");
  }
});

Deno.test("a target hears ws.leave with the reason of every kind of end, once", async () => {
  const ends: [string, (raw: RawSocket, kernel: Kernel, pid: Pid) => unknown][] = [
    ["closed", (raw) => raw.sendFrame(8, new Uint8Array([3, 232]))],
    ["closed", (raw) => raw.sendFrame(8)],
    ["lost", (raw) => raw[Symbol.dispose]()],
    ["lost", (raw) => raw.sendFrame(TEXT, new Uint8Array([0xff, 0xfe]))],
    ["closed_by_target", (_, { processes }, pid) => processes.send(pid, "ws.close", {})],
    ["exited", (_, { processes }, pid) => processes.exit(pid)],
    ["too_large", (raw) => raw.sendFrame(TEXT, "x".repeat(101))],
  ];
  await using kernel = startKernel(() => relayTo(target.pid, { metadata: { n: 1 } }), { maxFrameBytes: 100 });
  const target = kernel.spawnTarget();
  const reasons: string[] = [];
  for (const [, end] of ends) {
    using raw = await kernel.connectRaw();
    const { client_pid } = await target.next("ws.join");
    await end(raw, kernel, client_pid);
    const { reason, ...rest } = await target.next("ws.leave");
    assertEquals(rest, { client_pid, metadata: { n: 1 } });
    reasons.push(reason);
  }
  await kernel.idle(1);
  assertEquals(reasons, ends.map(([reason]) => reason));
  assertEquals(target.heard.filter(({ topic }) => topic === "ws.leave").length, ends.length);
});

Deno.test("ws.close sends the codes that a server may send, and 1011 in place of the others", async () => {
  await using kernel = startKernel(() => relayTo(target.pid));
  const target = kernel.spawnTarget();
  const codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4000, 4999];
  const unsendable = [-1, 0, 999, 1004, 1005, 1006, 1015, 2999, 4000.5, 5000, NaN, 70_000];
  for (const code of [...codes, ...unsendable]) {
    using raw = await kernel.connectRaw();
    const { client_pid } = await target.next("ws.join");
    kernel.processes.send(client_pid, "ws.close", { code, reason: "so" });
    const expected = codes.includes(code) ? { code, reason: "so" } : { code: 1011, reason: `closed with ${code}` };
    assertEquals(await raw.nextClose(), expected);
  }
});

Deno.test("a close reason is cut to 123 bytes between characters, and never empty", async () => {
  await using kernel = startKernel(() => relayTo(target.pid));
  const target = kernel.spawnTarget();
  const reasons: [string, string][] = [["", "closed"], ["ä".repeat(100), "ä".repeat(61)], [
    "x".repeat(123),
    "x".repeat(123),
  ]];
  for (const [reason, expected] of reasons) {
    const client = await kernel.connect();
    const { client_pid } = await target.next("ws.join");
    kernel.processes.send(client_pid, "ws.close", { code: 4000, reason });
    assertEquals(await client.closed, { code: 4000, reason: expected });
  }
});

Deno.test("1,000 connections that come and go, each by another end, leave nothing behind", async () => {
  const userLimit = 40;
  await using kernel = startKernel((kernel, request) => {
    const user_id = new URL(request.url).pathname;
    return relayTo(
      kernel.processes.spawn({
        ...echoing(kernel.processes),
        "ws.leave": (_: unknown, self: { exit(): void }) => self.exit(),
      }),
      {
        metadata: { user_id },
      },
    );
  }, { maxConnectionsPerUser: userLimit, maxConnections: 100, maxFrameBytes: 100 });
  const ends: ((raw: RawSocket) => unknown)[] = [
    (raw) => raw[Symbol.dispose](),
    (raw) => raw.sendFrame(8, new Uint8Array([3, 232])),
    (raw) => raw.sendFrame(TEXT, "x".repeat(101)),
    (raw) => raw.sendFrame(TEXT, "x", { reserved: 4 }),
  ];
  for (let round = 0; round < 25; round++) {
    const clients = await Promise.all(Array.from({ length: 40 }, (_, i) => kernel.connectRaw(`/user-${i % 4}`)));
    await Promise.all(clients.map((raw, i) => ends[i % ends.length]!(raw)));
    await eventually("room for the next", async () => (await kernel.health()).connections === 0);
    for (const raw of clients) raw[Symbol.dispose]();
  }
  await kernel.idle();
  assertEquals(kernel.held.promises.length, 25, "one promise while anyone is there");
  assertEquals(new Set(kernel.held.promises).size, 25, "a fresh one each time");
  assert(kernel.held.promises.every((promise) => promise.constructor === Promise), "native promises");
  const { counters } = await kernel.health();
  assertEquals(counters.connections_opened, 1_000);
  const again = await Promise.all(Array.from({ length: userLimit }, () => kernel.connect("/user-0")));
  for (const client of again) client.send("still here");
  for (const client of again) assertEquals(await client.next(), "still here");
  for (const client of again) await client.close();
});
