import { assertEquals, assertThrows } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { Peers } from "../../shared/isolate/peers.ts";
import type { Histogram } from "../../shared/telemetry/metrics.ts";

Deno.test("an isolate that misses three beats is gone, one that says goodbye is so at once, one that beats is not", async () => {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "performance"] });
  try {
    const broadcast = memoryBus();
    const peers = (isolateId: string) => new Peers({ isolateId, broadcast, beatMs: 1_000 });
    const [a, b, c] = [peers("a"), peers("b"), peers("c")];
    const gone: string[] = [];
    a.onGone((isolateId) => gone.push(isolateId));
    const [stopA, stopB, stopC] = [a.start(), b.start(), c.start()];
    await clock.tickAsync(2_500);
    assertEquals(gone, []);
    stopC();
    assertEquals(gone, ["c"]);
    // Killed: no goodbye, no more beats.
    broadcast.publish("isolates", "d beat");
    await clock.tickAsync(2_900);
    assertEquals(gone, ["c"]);
    await clock.tickAsync(2_000);
    assertEquals(gone, ["c", "d"]);
    stopA();
    stopA();
    stopB();
    assertEquals(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
});

Deno.test("anything heard of an isolate is a sign of its life; one's own word is not heard", async () => {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "performance"] });
  try {
    const broadcast = memoryBus();
    const peers = new Peers({ isolateId: "a", broadcast, beatMs: 1_000 });
    const gone: string[] = [];
    peers.onGone((isolateId) => gone.push(isolateId));
    const stop = peers.start();
    broadcast.publish("isolates", "b beat");
    for (let beat = 0; beat < 10; beat++) {
      peers.heard("b");
      await clock.tickAsync(1_000);
    }
    assertEquals(gone, []);
    stop();
  } finally {
    clock.uninstall();
  }
});

Deno.test("who comes is answered by those who are there, so that all are known as soon as they had the time", async () => {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "setTimeout", "performance"] });
  try {
    const bus = memoryBus();
    const slow = {
      answerMs: 100,
      publish: (topic: string, text: string) => void setTimeout(() => bus.publish(topic, text), 10),
      subscribe: bus.subscribe,
    };
    const [a, b] = ["a", "b"].map((isolateId) => new Peers({ isolateId, broadcast: slow, beatMs: 1_000 }));
    assertEquals(a!.others, undefined);
    const stopA = a!.start();
    await clock.tickAsync(99);
    assertEquals(a!.others, undefined);
    await clock.tickAsync(1);
    assertEquals(a!.others, []);
    const stopB = b!.start();
    await clock.tickAsync(100);
    assertEquals([a!.others, b!.others], [["b"], ["a"]]);
    stopB();
    await clock.tickAsync(10);
    assertEquals([a!.others, b!.others], [[], undefined]);
    stopA();
  } finally {
    clock.uninstall();
  }
});

Deno.test("an isolate that had only been silent returns, one that said goodbye or is new does not", async () => {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "performance"] });
  try {
    const broadcast = memoryBus();
    const peers = new Peers({ isolateId: "a", broadcast, beatMs: 1_000 });
    const returned: string[] = [];
    const end = peers.onReturn((isolateId) => returned.push(isolateId));
    const stop = peers.start();
    broadcast.publish("isolates", "b beat");
    broadcast.publish("isolates", "c beat");
    broadcast.publish("isolates", "c bye");
    await clock.tickAsync(5_000);
    for (const isolateId of ["b", "b", "c", "d"]) peers.heard(isolateId);
    assertEquals(returned, ["b"]);
    end();
    await clock.tickAsync(5_000);
    peers.heard("b");
    assertEquals(returned, ["b"]);
    stop();
  } finally {
    clock.uninstall();
  }
});

Deno.test("start() beats for as long as anyone needs it, and tells who asks late that it does", () => {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "performance"] });
  try {
    const broadcast = memoryBus();
    const peers = new Peers({ isolateId: "a", broadcast, beatMs: 1_000 });
    const said: (string | undefined)[] = [];
    broadcast.subscribe("isolates", (text) => said.push(text.split(" ")[1]));
    const [stopOne, stopTwo] = [peers.start(), peers.start()];
    let starts = 0;
    peers.onStart(() => starts++);
    assertEquals(starts, 1);
    clock.tick(1_000);
    stopOne();
    stopOne();
    clock.tick(1_000);
    assertEquals(said, ["hello", "beat", "beat"]);
    stopTwo();
    clock.tick(1_000);
    assertEquals([said.at(-1), clock.countTimers()], ["bye", 0]);
    const stop = peers.start();
    stopTwo();
    assertEquals([said.at(-1), clock.countTimers(), starts], ["hello", 1, 2]);
    stop();
  } finally {
    clock.uninstall();
  }
});

Deno.test("a beat carries a note where there is one, to those who listen for it", () => {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "performance", "Date"] });
  try {
    const broadcast = memoryBus();
    const [a, b, c] = ["a", "b", "c"].map((isolateId) => new Peers({ isolateId, broadcast, beatMs: 1_000 })) as [
      Peers,
      Peers,
      Peers,
    ];
    const notes: (string | undefined)[] = ["first of two", undefined, "third"];
    const heard: string[] = [];
    a.carry({ take: () => notes.shift(), onNote: (...note) => heard.push(`a ${note}`) });
    b.carry({ take: () => undefined, onNote: (...note) => heard.push(`b ${note}`) });
    const stops = [a, b, c].map((peers) => peers.start());
    clock.tick(3_000);
    broadcast.publish("isolates", "x hello 0 not a beat");
    assertEquals(heard, ["b a,first of two", "b a,third"]);
    assertEquals(b.others, ["a", "c", "x"]);
    for (const stop of stops) stop();
  } finally {
    clock.uninstall();
  }
});

Deno.test("Peers refuses a beat that is no time", () => {
  assertThrows(() => new Peers({ isolateId: "a", broadcast: memoryBus(), beatMs: 0 }), RangeError, "beatMs");
});

Deno.test("metrics() counts the peers, and how long their beats were on the bus", () => {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "performance", "Date"] });
  try {
    const broadcast = memoryBus();
    const peers = new Peers({ isolateId: "a", broadcast });
    const stop = peers.start();
    clock.setSystemTime(10_000);
    // One that took 30 ms, one whose clock is ahead, one of a version that does not tell, nonsense, and one's own.
    for (const text of ["b beat 9970", "b beat 10500", "c beat", "c beat x", "a beat 0"]) {
      broadcast.publish("isolates", text);
    }
    const [alive, delays] = peers.metrics();
    assertEquals(alive!.samples[0]!.value, 2);
    const { counts, sum } = delays!.samples[0]!.value as Histogram;
    assertEquals([counts, sum], [[1, 0, 1, 0, 0, 0, 0, 0], 0.03]);
    stop();
  } finally {
    clock.uninstall();
  }
});
