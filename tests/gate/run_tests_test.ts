import { assertEquals } from "@std/assert";
import { type Report, runTests } from "./run_tests.ts";

const cases: { name: string; files: Record<string, string>; expected: Report }[] = [
  {
    name: "counts a test once, and one with steps by its steps",
    files: {
      "a_test.ts": `Deno.test("a", async (t) => { await t.step("s", () => {}); await t.step("u", () => {}); });
        Deno.test("b", () => {});`,
    },
    expected: { passed: 3, failed: [], skipped: [] },
  },
  {
    name: "names what failed, once: the test, the step of it, or the test around steps that did not",
    files: {
      "a_test.ts": `Deno.test("a > b", async (t) => { await t.step("<s>", () => { throw 1; }); });`,
      "b_test.ts": `Deno.test("c", () => { throw new Error("</testcase>"); }); Deno.test("d", () => {});`,
      "c_test.ts": `Deno.test("e", async (t) => { await t.step("s", () => {}); throw 1; });`,
    },
    expected: { passed: 2, failed: ["a_test.ts: a > b > <s>", "b_test.ts: c", "c_test.ts: e"], skipped: [] },
  },
  {
    name: "lists what was skipped, steps too, and takes a skip without a reason as a failure",
    files: {
      "a_test.ts": `Deno.test.ignore("a (skipped: no server)", () => {}); Deno.test.ignore("b", () => {});
        Deno.test("c", async (t) => { await t.step({ name: "s (skipped: why)", ignore: true, fn() {} }); });`,
    },
    expected: {
      passed: 0,
      failed: ["a_test.ts: b: is skipped without a reason"],
      skipped: ["a_test.ts: a (skipped: no server)", "a_test.ts: b", "a_test.ts: c > s (skipped: why)"],
    },
  },
  {
    name: "fails a file that throws before its first test, and one whose test is never reached",
    files: {
      "a_test.ts": `throw new Error("at import"); Deno.test("a", () => {});`,
      "b_test.ts": `if (Deno.args.length > 0) Deno.test("b", () => {});`,
      "c_test.ts": `Deno.test("c", () => {});`,
    },
    expected: {
      passed: 1,
      failed: ["a_test.ts: none of its tests ran", "b_test.ts: none of its tests ran"],
      skipped: [],
    },
  },
  {
    name: "counts a suite that one file defines for another, and fails one that throws before it",
    files: {
      "suite.ts": `export const testPort = (name: string) => Deno.test(name, () => {});`,
      "a_test.ts": `import { testPort } from "./suite.ts"; testPort("a");`,
      "b_test.ts": `import { testPort } from "./suite.ts"; if (testPort) throw 1; testPort("b");`,
    },
    expected: { passed: 1, failed: ["the tests ended with exit code 1"], skipped: [] },
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
      const { passed, failed, skipped } = await runTests(
        Object.keys(files).filter((name) => name.endsWith("_test.ts")),
        {
          cwd,
          args: ["--no-check"],
          output: "null",
        },
      );
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
