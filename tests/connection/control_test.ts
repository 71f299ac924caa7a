import { assert, assertEquals } from "@std/assert";
import { type ClientMessage, type JoinMessage, relayTo } from "../../shared/connection/mod.ts";
import type { Inbox, Pid, Processes, ProcessMessage } from "../../shared/process/mod.ts";
import { eventually } from "../support/eventually.ts";
import { startKernel } from "./kernel.ts";

Deno.test("ws.control moves a connection: the old target hears ws.leave, the new one ws.join and every later frame", async () => {
  const metadata = { user_id: "ada", seat: 1 };
  await using kernel = startKernel(() => relayTo(lobby.pid, { messageTopic: "lobby.frame", metadata }));
  const [lobby, table] = [kernel.spawnTarget(), kernel.spawnTarget()];
  await using client = await kernel.connect();
  const { client_pid } = await lobby.next("ws.join");
  client.send("to the lobby");
  await lobby.next("lobby.frame");

  const moved = { user_id: "ada", seat: 2 };
  kernel.processes.send(client_pid, "ws.control", {
    target_pid: table.pid,
    message_topic: "table.frame",
    metadata: moved,
  });
  assertEquals(await lobby.next("ws.leave"), { client_pid, reason: "transferred", metadata });
  assertEquals(await table.next("ws.join"), { client_pid, metadata: moved });
  client.send("to the table");
  assertEquals(await table.next("table.frame"), { client_pid, type: "text", data: "to the table", metadata: moved });

  await client.close();
  assertEquals(await table.next("ws.leave"), { client_pid, reason: "closed", metadata: moved });
  assertEquals(lobby.heard.map(({ topic }) => topic), ["ws.join", "lobby.frame", "ws.leave"]);
  assertEquals(table.heard.map(({ topic }) => topic), ["ws.join", "table.frame", "ws.leave"]);
});

Deno.test("ws.control keeps the metadata where it names none, and goes back to ws.message", async () => {
  const metadata = { user_id: "ada" };
  await using kernel = startKernel(() => relayTo(one.pid, { messageTopic: "own", metadata }));
  const [one, two] = [kernel.spawnTarget(), kernel.spawnTarget()];
  await using client = await kernel.connect();
  const { client_pid } = await one.next("ws.join");
  kernel.processes.send(client_pid, "ws.control", { target_pid: two.pid });
  assertEquals(await two.next("ws.join"), { client_pid, metadata });
  client.send("x");
  assertEquals((await two.next("ws.message")).metadata, metadata);
});

Deno.test("ws.control with the same target changes topic and metadata alone", async () => {
  await using kernel = startKernel(() => relayTo(target.pid, { metadata: { level: 1 } }));
  const target = kernel.spawnTarget();
  await using client = await kernel.connect();
  const { client_pid } = await target.next("ws.join");
  kernel.processes.send(client_pid, "ws.control", { target_pid: target.pid, metadata: { level: 2 } });
  client.send("a");
  assertEquals((await target.next("ws.message")).metadata, { level: 2 });
  kernel.processes.send(client_pid, "ws.control", { target_pid: target.pid, message_topic: "other" });
  client.send("b");
  assertEquals((await target.next("other")).metadata, { level: 2 });
  assertEquals(target.heard.filter(({ topic }) => topic === "ws.leave" || topic === "ws.join").length, 1);
});

/** Numbers what it hears, sends each frame back, and after some of them hands the connection on to itself or the other. */
function passing(processes: Processes, log: string[], name: string, next: () => Pid) {
  let heard = 0;
  return {
    "ws.join": ({ client_pid }: JoinMessage) => {
      log.push(`${name} join`);
      processes.send(client_pid, "ws.send", { type: "text", data: `from ${name}` });
    },
    "ws.message": async ({ client_pid, data }: ClientMessage) => {
      log.push(data as string);
      processes.send(client_pid, "ws.send", { type: "text", data: data as string });
      if (++heard % 7 === 0) processes.send(client_pid, "ws.control", { target_pid: next() });
      if (heard % 5 === 0) await Promise.resolve();
    },
    "ws.leave": () => log.push(`${name} leave`),
  };
}

Deno.test("a transfer while frames flow both ways loses none and reorders none on either side", async () => {
  const frames = 5_000;
  await using kernel = startKernel(() => relayTo(left), {
    messagesPerSecond: 1e6,
    maxInFlightMessages: frames,
  });
  const log: string[] = [];
  const left: Pid = kernel.processes.spawn(passing(kernel.processes, log, "left", () => right));
  const right: Pid = kernel.processes.spawn(passing(kernel.processes, log, "right", () => left));
  await using client = await kernel.connect();
  for (let i = 0; i < frames; i++) {
    client.send(`${i}`);
    // Now and then the server gets its turn in between, so that transfers happen in the middle of the stream.
    if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const numbers: number[] = [];
  while (numbers.length < frames) {
    const frame = await client.next() as string;
    if (!frame.startsWith("from")) numbers.push(Number(frame));
  }
  const isOrdered = (list: number[]) => list.length === frames && list.every((n, i) => n === i);
  assert(isOrdered(numbers), "what came back");
  // A target that is behind goes on with what it had been sent; by client and target nothing is lost, and each is in order.
  const sent = log.filter((line) => /^\d+$/.test(line)).map(Number);
  assertEquals(sent.toSorted((a, b) => a - b).length, frames);
  assertEquals(new Set(sent).size, frames);
  const joins = log.filter((line) => line.endsWith("join")).length;
  assert(joins > 100, `transfers happened: ${joins}`);
  assertEquals(log.filter((line) => line.endsWith("leave")).length, joins - 1);
});

Deno.test("frames that wait for a process which hands the connection on and ends go to the new target", async () => {
  await using kernel = startKernel(({ processes }) =>
    relayTo(processes.spawn(async (inbox: Inbox) => {
      for await (const { topic, payload } of inbox as AsyncIterable<ProcessMessage<ClientMessage>>) {
        if (topic !== "ws.message") continue;
        // As a process would that asks a database who this is, while the client goes on sending.
        await eventually("the rest has come", async () => (await kernel.health()).counters.messages_in === 4);
        processes.send(payload.client_pid, "ws.control", { target_pid: room.pid, metadata: { name: payload.data } });
        return;
      }
    }))
  );
  const room = kernel.spawnTarget();
  await using client = await kernel.connect();
  for (const frame of ["ada", "one", "two", "three"]) client.send(frame);
  const { client_pid } = await room.next("ws.join");
  for (const data of ["one", "two", "three"]) {
    assertEquals(await room.next("ws.message"), { client_pid, type: "text", data, metadata: { name: "ada" } });
  }
  client.send("four");
  assertEquals((await room.next("ws.message")).data, "four");
});
