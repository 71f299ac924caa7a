import { assertEquals } from "@std/assert";
import { type Report, runTests } from "./run_tests.ts";

const cases: { name: string; files: Record<string, string>; expected: Report }[] = [
  {
    name: "counts tests, not their steps",
    files: { "a_test.ts": `Deno.test("a", async (t) => { await t.step("s", () => {}); }); Deno.test("b", () => {});` },
    expected: { passed: 2, failed: [], skipped: [] },
  },
  {
    name: "names what failed, once, whether the test or a step of it did",
    files: {
      "a_test.ts": `Deno.test("a > b", async (t) => { await t.step("<s>", () => { throw 1; }); });`,
      "b_test.ts": `Deno.test("c", () => { throw new Error("</testcase>"); }); Deno.test("d", () => {});`,
    },
    expected: { passed: 1, failed: ["a_test.ts: a > b", "b_test.ts: c"], skipped: [] },
  },
  {
    name: "lists what was skipped, steps too, and takes a skip without a reason as a failure",
    files: {
      "a_test.ts": `Deno.test.ignore("a (skipped: no server)", () => {}); Deno.test.ignore("b", () => {});
        Deno.test("c", async (t) => { await t.step({ name: "s (skipped: why)", ignore: true, fn() {} }); });`,
    },
    expected: {
      passed: 1,
      failed: ["a_test.ts: b: is skipped without a reason"],
      skipped: ["a_test.ts: a (skipped: no server)", "a_test.ts: b", "a_test.ts: c > s (skipped: why)"],
    },
  },
  {
    name: "fails a file that throws before its first test, and one without any",
    files: {
      "a_test.ts": `throw new Error("at import");`,
      "b_test.ts": `export {};`,
      "c_test.ts": `Deno.test("c", () => {});`,
    },
    expected: {
      passed: 1,
      failed: ["a_test.ts: none of its tests ran", "b_test.ts: none of its tests ran"],
      skipped: [],
    },
  },
  {
    name: "fails tests that an error outside of them cut short",
    files: {
      "a_test.ts": `Deno.test("a", async () => { setTimeout(() => { throw 1; }); await new Promise(() => {}); });`,
    },
    expected: { passed: 0, failed: ["a_test.ts: a"], skipped: [] },
  },
  {
    name: "fails a run that was killed",
    files: { "a_test.ts": `Deno.test("a", () => Deno.kill(Deno.pid, "SIGKILL"));` },
    expected: { passed: 0, failed: ["the tests ended without a report (SIGKILL)"], skipped: [] },
  },
  {
    name: "fails a run that does not compile",
    files: { "a_test.ts": `Deno.test("a", () => {` },
    expected: { passed: 0, failed: ["the tests ended without a report (exit code 1)"], skipped: [] },
  },
];

for (const { name, files, expected } of cases) {
  Deno.test(`runTests() ${name}`, () =>
    withFiles(files, async (cwd) => {
      const { passed, failed, skipped } = await runTests(Object.keys(files), {
        cwd,
        args: ["--no-check"],
        output: "null",
      });
      assertEquals({ passed, failed: failed.toSorted(), skipped: skipped.toSorted() }, expected);
    }));
}

Deno.test("runTests() knows a file by whichever path it was given", () =>
  withFiles({ "a_test.ts": `Deno.test("a", () => {});` }, async (cwd) => {
    const report = await runTests(["./a_test.ts", `${cwd}/a_test.ts`], { cwd, output: "null" });
    assertEquals(report, { passed: 1, failed: [], skipped: [] });
  }));

Deno.test("runTests() fails where there is nothing to run", async () => {
  assertEquals((await runTests([])).failed, ["there is no test to run"]);
});

Deno.test("runTests() fails a run that takes too long", () =>
  withFiles({ "a_test.ts": `Deno.test("a", () => new Promise((done) => setTimeout(done, 600_000)));` }, async (cwd) => {
    const report = await runTests(["a_test.ts"], { cwd, output: "null", signal: AbortSignal.timeout(500) });
    assertEquals(report.failed, ["the tests were stopped: they took too long"]);
  }));

async function withFiles(files: Record<string, string>, run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "gate-test-" });
  try {
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${folder}/${name}`, text);
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
