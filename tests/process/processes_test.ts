// deno-lint-ignore-file no-console
import { assert, assertEquals, assertThrows } from "@std/assert";
import { EXIT, type ExitNotice, type Inbox, Processes, type Self } from "../../shared/process/mod.ts";

/** Processes whose crashes are kept, not printed. */
function testProcesses() {
  const crashes: unknown[] = [];
  return { processes: new Processes({ isolateId: "test", onCrash: (_pid, error) => crashes.push(error) }), crashes };
}

/** A process that notes every end it hears of. */
function watcher(processes: Processes) {
  const heard: ExitNotice[] = [];
  const pid = processes.spawn({ [EXIT]: (notice: ExitNotice) => heard.push(notice) });
  return { pid, heard };
}

Deno.test("spawn() gives a pid of the isolate and a local part, never the same twice", () => {
  const { processes } = testProcesses();
  const pids = Array.from({ length: 100 }, () => processes.spawn({}));
  assertEquals(new Set(pids).size, 100);
  assert(pids.every((pid) => /^test\.\d+$/.test(pid)));
  assertEquals(processes.count, 100);
});

Deno.test("send() calls the handler of the topic with the payload, before it returns", () => {
  const { processes } = testProcesses();
  const got: unknown[] = [];
  const pid = processes.spawn({ greet: (payload: unknown, self: Self) => got.push([payload, self.pid]) });
  assertEquals(processes.send(pid, "greet", "hello"), "ok");
  assertEquals(got, [["hello", pid]]);
});

Deno.test("send() drops a topic without a handler, also one that every object inherits", () => {
  const { processes, crashes } = testProcesses();
  class Behaviour {
    "ws.message"() {}
  }
  const pid = processes.spawn(new Behaviour());
  for (const topic of ["nobody", "constructor", "toString", "__proto__", "hasOwnProperty", ""]) {
    assertEquals(processes.send(pid, topic, {}), "ok");
  }
  assertEquals(crashes, []);
  assert(processes.isAlive(pid));
});

Deno.test("send() to a pid that never was, or is no more, says noprocess", () => {
  const { processes } = testProcesses();
  const pid = processes.spawn({});
  processes.exit(pid);
  assertEquals(processes.send(pid, "x", 1), "noprocess");
  assertEquals(processes.send("other.1", "x", 1), "noprocess");
});

Deno.test("a process handles its messages one at a time, in order, also those it sends to itself", async () => {
  const { processes } = testProcesses();
  const order: string[] = [];
  const done = Promise.withResolvers<void>();
  const pid = processes.spawn({
    first: (_: unknown, self: Self) => {
      processes.send(self.pid, "third", 0);
      order.push("first");
    },
    slow: async () => {
      order.push("slow begins");
      await Promise.resolve();
      order.push("slow ends");
    },
    third: () => order.push("third"),
    last: () => done.resolve(),
  });
  processes.send(pid, "first", 0);
  processes.send(pid, "slow", 0);
  processes.send(pid, "third", 0);
  processes.send(pid, "last", 0);
  await done.promise;
  assertEquals(order, ["first", "third", "slow begins", "slow ends", "third"]);
});

Deno.test("two processes that answer one another without end do not overflow the stack", () => {
  const { processes, crashes } = testProcesses();
  let rallies = 0;
  const [a, b]: string[] = [
    processes.spawn({ ball: () => ++rallies < 100_000 && processes.send(b!, "ball", 0) }),
    processes.spawn({ ball: () => ++rallies < 100_000 && processes.send(a!, "ball", 0) }),
  ];
  processes.send(a!, "ball", 0);
  assertEquals(rallies, 100_000);
  assertEquals(crashes, []);
});

Deno.test("an async function reads its inbox in order and ends normally when it returns", async () => {
  const { processes } = testProcesses();
  const got: unknown[] = [];
  const { pid: watching, heard } = watcher(processes);
  const pid = processes.spawn(async (inbox: Inbox) => {
    for await (const { topic, payload } of inbox) {
      if (topic === "stop") return;
      got.push(payload);
    }
  });
  processes.monitor(watching, pid);
  for (let i = 0; i < 5; i++) processes.send(pid, "n", i);
  await Promise.resolve();
  processes.send(pid, "n", 5);
  processes.send(pid, "stop", 0);
  await until(() => heard.length === 1);
  assertEquals(got, [0, 1, 2, 3, 4, 5]);
  assertEquals(heard, [{ pid, reason: "normal" }]);
});

Deno.test("exit() ends an async function that waits for its next message", async () => {
  const { processes } = testProcesses();
  const ended = Promise.withResolvers<string>();
  const pid = processes.spawn(async (inbox: Inbox) => {
    for await (const _ of inbox);
    ended.resolve("left the loop");
  });
  await Promise.resolve();
  processes.exit(pid, "enough");
  assertEquals(await ended.promise, "left the loop");
  assertEquals(processes.isAlive(pid), false);
});

for (
  const [how, behaviour] of [
    ["a handler that throws", { go: () => boom() }],
    ["an async handler that rejects", { go: () => Promise.reject(new TypeError("boom")) }],
    ["an inbox function that throws", async (inbox: Inbox) => {
      for await (const _ of inbox) boom();
    }],
    ["an inbox function that throws before it waits", () => boom()],
  ] as const
) {
  Deno.test(`${how} ends its process with a reason and nothing else`, async () => {
    const { processes, crashes } = testProcesses();
    const { pid: watching, heard } = watcher(processes);
    const pid = processes.spawn(behaviour);
    processes.monitor(watching, pid);
    processes.send(pid, "go", 0);
    await until(() => heard.length === 1);
    assertEquals(heard, [{ pid, reason: "crashed: TypeError" }]);
    assertEquals(crashes.length, 1);
    assertEquals(processes.count, 1);
  });
}

Deno.test("monitor() tells every watcher once, and at once of a process that is no more", () => {
  const { processes } = testProcesses();
  const [one, two] = [watcher(processes), watcher(processes)];
  const pid = processes.spawn({});
  processes.monitor(one.pid, pid);
  processes.monitor(one.pid, pid);
  processes.monitor(two.pid, pid);
  processes.exit(pid, "tired");
  processes.monitor(one.pid, pid);
  assertEquals(one.heard, [{ pid, reason: "tired" }, { pid, reason: "noprocess" }]);
  assertEquals(two.heard, [{ pid, reason: "tired" }]);
});

Deno.test("demonitor() ends the watching", () => {
  const { processes } = testProcesses();
  const { pid: watching, heard } = watcher(processes);
  const pid = processes.spawn({});
  processes.monitor(watching, pid);
  processes.demonitor(watching, pid);
  processes.exit(pid);
  assertEquals(heard, []);
});

Deno.test("link() ends both with the same reason, over a chain and a circle", () => {
  const { processes } = testProcesses();
  const { pid: watching, heard } = watcher(processes);
  const [a, b, c] = [processes.spawn({}), processes.spawn({}), processes.spawn({})];
  processes.link(a, b);
  processes.link(b, c);
  processes.link(c, a);
  for (const pid of [a, b, c]) processes.monitor(watching, pid);
  processes.exit(b, "normal");
  assertEquals(heard.map((notice) => notice.reason), ["normal", "normal", "normal"]);
  assertEquals(processes.count, 1);
});

Deno.test("link() to a process that is no more ends the one that lives", () => {
  const { processes } = testProcesses();
  const a = processes.spawn({});
  processes.link(a, "test.999");
  assertEquals(processes.isAlive(a), false);
});

Deno.test("register() makes a name reachable until its process ends, for one process only", () => {
  const { processes } = testProcesses();
  const got: unknown[] = [];
  const pid = processes.spawn({ x: (payload: unknown) => got.push(payload) }, { name: "lobby" });
  assertEquals(processes.whereis("lobby"), pid);
  processes.send("lobby", "x", 1);
  assertEquals(got, [1]);
  const other = processes.spawn({});
  assertThrows(() => processes.register("lobby", other), Error, "another process");
  assertThrows(() => processes.register("a.1", other), RangeError, "'.'");
  assertThrows(() => processes.spawn({}, { name: "lobby" }), Error, "another process");
  assertEquals(processes.count, 2);
  processes.exit(pid);
  assertEquals(processes.whereis("lobby"), undefined);
  processes.register("lobby", other);
});

Deno.test("a mailbox is bounded in messages and in bytes, and charges the sender for what waits", async () => {
  const { processes } = testProcesses();
  const gate = Promise.withResolvers<void>();
  const pid = processes.spawn({ x: () => gate.promise }, { maxMailboxMessages: 3, maxMailboxBytes: 100 });
  const inFlight = { messages: 0, bytes: 0 };
  assertEquals(processes.send(pid, "x", 0, 50, inFlight), "ok");
  assertEquals(inFlight, { messages: 0, bytes: 0 }, "what is being handled does not wait");
  assertEquals(processes.send(pid, "x", 1, 500, inFlight), "ok", "an empty mailbox takes any size");
  assertEquals(processes.send(pid, "x", 2, 1, inFlight), "mailbox_full");
  assertEquals(inFlight, { messages: 1, bytes: 500 });
  gate.resolve();
  await until(() => inFlight.messages === 0);
  assertEquals(inFlight, { messages: 0, bytes: 0 });

  const waiting = processes.spawn({ x: () => new Promise(() => {}) }, { maxMailboxMessages: 3 });
  const results = Array.from({ length: 6 }, () => processes.send(waiting, "x", 0, 0, inFlight));
  assertEquals(results, ["ok", "ok", "ok", "ok", "mailbox_full", "mailbox_full"]);
  processes.exit(waiting);
  assertEquals(inFlight, { messages: 0, bytes: 0 }, "an ended process gives back what waited");
});

Deno.test("the end of a monitored process, and what must arrive, pass a full mailbox", async () => {
  const { processes } = testProcesses();
  const gate = Promise.withResolvers<void>();
  const got: string[] = [];
  const handlers = { x: () => gate.promise, last: () => got.push("last"), [EXIT]: () => got.push(EXIT) };
  const pid = processes.spawn(handlers, { maxMailboxMessages: 1 });
  const watched = processes.spawn({});
  processes.monitor(pid, watched);
  for (let i = 0; i < 3; i++) processes.send(pid, "x", i);
  processes.exit(watched);
  assertEquals(processes.send(pid, "last", 0), "mailbox_full");
  assertEquals(processes.notify(pid, "last", 0), "ok");
  gate.resolve();
  await until(() => got.length === 2);
  assertEquals(got, [EXIT, "last"]);
});

Deno.test("takeBack() gives a sender what waits of its own, in order, and leaves the rest as it was", async () => {
  const { processes } = testProcesses();
  const gate = Promise.withResolvers<void>();
  const got: unknown[] = [];
  const pid = processes.spawn({
    wait: () => gate.promise,
    x: (payload: unknown) => got.push(payload),
  });
  const [mine, other] = [{ messages: 0, bytes: 0 }, { messages: 0, bytes: 0 }];
  processes.send(pid, "wait", 0);
  for (let i = 0; i < 6; i++) processes.send(pid, "x", i, 10 + i, i % 2 ? mine : other);
  processes.notify(pid, "x", "nobody's");
  const returned = processes.takeBack(pid, mine).map(({ topic, payload, bytes }) => [topic, payload, bytes]);
  assertEquals(returned, [["x", 1, 11], ["x", 3, 13], ["x", 5, 15]]);
  assertEquals([mine, other], [{ messages: 0, bytes: 0 }, { messages: 3, bytes: 36 }]);
  assertEquals(processes.takeBack(pid, mine), []);
  assertEquals(processes.takeBack("test.999", mine), []);
  gate.resolve();
  await until(() => got.length === 4);
  assertEquals(got, [0, 2, 4, "nobody's"]);
  assertEquals(other, { messages: 0, bytes: 0 });
});

Deno.test("who hears of crashes may throw, and a sender hears nothing of it", () => {
  const { error } = console;
  const lines: unknown[] = [];
  console.error = (...line: unknown[]) => lines.push(line);
  try {
    const processes = new Processes({ isolateId: "test", onCrash: () => boom() });
    const pid = processes.spawn({ x: () => boom() });
    assertEquals([processes.send(pid, "x", 0), processes.count], ["ok", 0]);
    processes.exit(processes.spawn({}, { onExit: () => boom() }));
    assertEquals([lines.length, processes.count], [2, 0]);
  } finally {
    console.error = error;
  }
});

Deno.test("a mailbox of 100,000 messages is emptied in order and in linear time", async () => {
  const { processes } = testProcesses();
  const gate = Promise.withResolvers<void>();
  let next = 0;
  let wrong = 0;
  const pid = processes.spawn({ wait: () => gate.promise, n: (n: number) => n === next++ || wrong++ }, {
    maxMailboxMessages: 100_000,
  });
  processes.send(pid, "wait", 0);
  for (let i = 0; i < 100_000; i++) processes.send(pid, "n", i);
  gate.resolve();
  await until(() => next === 100_000);
  assertEquals(wrong, 0);
});

Deno.test("Processes refuses an isolate id that could not stand in a pid", () => {
  assertThrows(() => new Processes({ isolateId: "a.b" }), RangeError, '"a.b"');
});

function boom(): never {
  throw new TypeError("boom");
}

/** Waits, without sleeping, until `condition` holds. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  assert(condition());
}
