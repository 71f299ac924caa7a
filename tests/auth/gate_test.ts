import { assertEquals, assertRejects } from "@std/assert";
import { gate } from "../../shared/auth/gate.ts";

Deno.test("gate() lets so many through at a time, the others in order, and refuses when too many wait", async () => {
  const enter = gate(2, 2);
  const log: string[] = [];
  const tasks = ["a", "b", "c", "d", "e"].map((name) => {
    const done = Promise.withResolvers<void>();
    const result = enter(async () => {
      log.push(name);
      await done.promise;
      return name;
    });
    return { result, done };
  });
  assertEquals(log, ["a", "b"]);
  assertEquals(tasks.map(({ result }) => result !== undefined), [true, true, true, true, false]);
  tasks[1]!.done.resolve();
  assertEquals(await tasks[1]!.result, "b");
  assertEquals(log, ["a", "b", "c"]);
  for (const { done } of tasks) done.resolve();
  assertEquals(await Promise.all(tasks.map(({ result }) => result)), ["a", "b", "c", "d", undefined]);

  // All through: the gate is as open as it was.
  let ran = 0;
  for (let i = 0; i < 2; i++) enter(() => Promise.resolve(ran++));
  assertEquals(ran, 2);
});

Deno.test("gate() opens to the next when a task throws", async () => {
  const enter = gate(1, 1);
  const failing = enter(() => Promise.reject(new Error("no")))!;
  const next = enter(() => Promise.resolve("next"));
  await assertRejects(() => failing, Error, "no");
  assertEquals(await next, "next");
});
