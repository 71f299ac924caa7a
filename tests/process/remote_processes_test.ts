import { assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { Peers } from "../../shared/isolate/peers.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import { Rooms } from "../../shared/room/rooms.ts";
import { EXIT, type ExitNotice, Processes } from "../../shared/process/mod.ts";
import { connectProcesses } from "../../shared/process/remote_processes.ts";

/** Isolates on one bus, under a clock that is moved by hand; `lose` decides which texts on a topic get lost. */
async function withIsolates(
  run: (
    isolate: (id: string) => TestIsolate,
    clock: FakeTimers.Clock,
    lose: (topic: RegExp | undefined) => void,
  ) => Promise<void>,
): Promise<void> {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "performance"] });
  const bus = memoryBus();
  let lost: RegExp | undefined;
  const isolates: TestIsolate[] = [];
  const lossy = { ...bus, publish: (topic: string, text: string) => lost?.test(topic) || bus.publish(topic, text) };
  try {
    await run(
      (isolateId) => {
        const processes = new Processes({ isolateId, onCrash() {} });
        const peers = new Peers({ isolateId, broadcast: lossy, beatMs: 1_000 });
        const disconnect = connectProcesses(processes, lossy, peers);
        const stop = peers.start();
        const isolate = { processes, stop, disconnect };
        isolates.push(isolate);
        return isolate;
      },
      clock,
      (topic) => lost = topic,
    );
  } finally {
    for (const { stop, disconnect } of isolates) {
      disconnect();
      stop();
    }
    assertEquals(clock.countTimers(), 0);
    clock.uninstall();
  }
}

interface TestIsolate {
  readonly processes: Processes;
  readonly stop: () => void;
  readonly disconnect: () => void;
}

function watcher({ processes }: Pick<TestIsolate, "processes">) {
  const heard: ExitNotice[] = [];
  return { pid: processes.spawn({ [EXIT]: (notice: ExitNotice) => heard.push(notice) }), heard };
}

Deno.test("send() to a pid of another isolate arrives there, text and bytes", async () => {
  await withIsolates(async (isolate) => {
    const [a, b] = [isolate("a"), isolate("b")];
    const got: unknown[] = [];
    const pid = b.processes.spawn({ x: (payload: unknown) => got.push(payload) });
    const bytes = new Uint8Array([0, 127, 255]);
    assertEquals(a.processes.send(pid, "x", { n: 1, data: bytes.buffer, list: ["é", null] }), "ok");
    assertEquals(a.processes.send(pid, "x", bytes), "ok");
    assertEquals(got, [{ n: 1, data: bytes.buffer, list: ["é", null] }, bytes.buffer]);
    assertEquals(a.processes.send("nobody", "x", 1), "noprocess");
    await Promise.resolve();
  });
});

Deno.test("reachable() waits until what others send arrives, and not for ever", async () => {
  const bus = memoryBus();
  const joins: (() => void)[] = [];
  // As over a network: a subscription stands a while after it was asked for.
  const slow: typeof bus = {
    ...bus,
    subscribe(topic, onText, { onReady } = {}) {
      joins.push(() => {
        bus.subscribe(topic, onText);
        onReady?.();
      });
      return () => {};
    },
  };
  const isolate = (isolateId: string) => {
    const processes = new Processes({ isolateId });
    connectProcesses(processes, slow, new Peers({ isolateId, broadcast: slow }));
    return processes;
  };
  const [a, b] = [isolate("a"), isolate("b")];
  const got: unknown[] = [];
  const pid = a.spawn({ x: (payload: unknown) => got.push(payload) });
  assertEquals(await a.reachable(1), false);
  b.send(pid, "x", "too early");
  const waiting = a.reachable(60_000);
  for (const join of joins.splice(0)) join();
  assertEquals(await waiting, true);
  b.send(pid, "x", "now");
  assertEquals([got, await a.reachable(), joins.length], [["now"], true, 0]);
  assertEquals(await new Processes().reachable(0), true, "alone there is nothing to wait for");
});

Deno.test("monitor() of a pid of another isolate hears of its end, once, also where it had ended before", async () => {
  await withIsolates(async (isolate, clock) => {
    const [a, b] = [isolate("a"), isolate("b")];
    const { pid: watching, heard } = watcher(a);
    const [first, second] = [b.processes.spawn({}), b.processes.spawn({})];
    a.processes.monitor(watching, first);
    a.processes.monitor(watching, second);
    a.processes.demonitor(watching, second);
    b.processes.exit(first, "tired");
    b.processes.exit(second, "tired");
    a.processes.monitor(watching, "b.999");
    await clock.tickAsync(5_000);
    assertEquals(heard, [{ pid: first, reason: "tired" }, { pid: "b.999", reason: "noprocess" }]);
  });
});

Deno.test("an isolate that stops beating ends what was monitored on it with noconnection, also one that never was", async () => {
  await withIsolates(async (isolate, clock) => {
    const [a, b] = [isolate("a"), isolate("b")];
    const { pid: watching, heard } = watcher(a);
    const pid = b.processes.spawn({});
    a.processes.monitor(watching, pid);
    a.processes.monitor(watching, "nowhere.1");
    await clock.tickAsync(2_000);
    assertEquals(heard, []);
    b.stop();
    b.disconnect();
    assertEquals(heard, [{ pid, reason: "noconnection" }], "it said goodbye");
    await clock.tickAsync(4_000);
    assertEquals(heard[1], { pid: "nowhere.1", reason: "noconnection" });
  });
});

Deno.test("a monitor holds though the question, or the news of the end, is lost", async () => {
  await withIsolates(async (isolate, clock, lose) => {
    const [a, b] = [isolate("a"), isolate("b")];
    const { pid: watching, heard } = watcher(a);
    const pid = b.processes.spawn({});
    lose(/^processes:b/);
    a.processes.monitor(watching, pid);
    lose(/^processes:a/);
    await clock.tickAsync(1_000);
    b.processes.exit(pid, "unheard");
    lose(undefined);
    assertEquals(heard, []);
    await clock.tickAsync(1_000);
    assertEquals(heard, [{ pid, reason: "noprocess" }]);
  });
});

Deno.test("a monitor hears of the end where the isolates beat before their processes were connected", async () => {
  const bus = memoryBus();
  const isolate = (isolateId: string) => {
    const processes = new Processes({ isolateId });
    const peers = new Peers({ isolateId, broadcast: bus });
    const stop = peers.start();
    const disconnect = connectProcesses(processes, bus, peers);
    return { processes, stop, disconnect };
  };
  const [a, b] = [isolate("a"), isolate("b")];
  const { pid: watching, heard } = watcher(a);
  const pid = b.processes.spawn({});
  a.processes.monitor(watching, pid);
  b.processes.exit(pid, "tired");
  await Promise.resolve();
  assertEquals(heard, [{ pid, reason: "tired" }]);
  for (const { stop, disconnect } of [a, b]) {
    disconnect();
    stop();
  }
});

Deno.test("a monitor outlives the last chat user of either isolate, and the beats end with it", async () => {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "performance"] });
  try {
    const bus = memoryBus();
    const isolate = (isolateId: string) => {
      const processes = new Processes({ isolateId });
      const peers = new Peers({ isolateId, broadcast: bus, beatMs: 1_000 });
      const disconnect = connectProcesses(processes, bus, peers);
      const rooms = new Rooms({
        store: memoryStore(),
        bus,
        processes,
        peers,
        onError: (error) => {
          throw error;
        },
      });
      const user = { pid: processes.spawn({}), roomsChanged() {} };
      rooms.connect("user", user);
      return { processes, disconnect, rooms, user };
    };
    const [a, b] = [isolate("a"), isolate("b")];
    const { pid: watching, heard } = watcher(a);
    const [pid, other] = [b.processes.spawn({}), b.processes.spawn({})];
    a.processes.monitor(watching, pid);
    a.processes.monitor(watching, other);
    for (const { rooms, user } of [a, b]) rooms.disconnect("user", user);
    await clock.tickAsync(10_000);
    assertEquals(heard, [], "both live");
    b.processes.exit(pid, "tired");
    assertEquals(heard, [{ pid, reason: "tired" }]);
    b.processes.exit(other);
    await clock.tickAsync(1_000);
    assertEquals([heard.length, clock.countTimers()], [2, 0], "nobody is watched, and nobody beats");
    for (const { rooms, disconnect } of [a, b]) {
      rooms.close();
      disconnect();
    }
  } finally {
    clock.uninstall();
  }
});

Deno.test("a watcher that has ended is no longer watched for", async () => {
  await withIsolates(async (isolate, clock) => {
    const [a, b] = [isolate("a"), isolate("b")];
    const { pid: watching } = watcher(a);
    const pid = b.processes.spawn({});
    const before = b.processes.count;
    a.processes.monitor(watching, pid);
    a.processes.exit(watching);
    await clock.tickAsync(1_000);
    b.processes.exit(pid);
    assertEquals(b.processes.count, before - 1);
  });
});
