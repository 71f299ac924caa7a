import { assertEquals } from "@std/assert";
import { findTestFiles, planTests } from "./plan_tests.ts";

Deno.test("planTests() runs the architecture, then the units together, then each other folder, the longest first", () => {
  const files = [
    "tests/browser/page_test.ts",
    "tests/auth/verify_token_test.ts",
    "tests/integration/echo_test.ts",
    "tests/deploy/deploy_test.ts",
    "tests/bus/memory/ring_test.ts",
    "tests/architecture/imports_test.ts",
    "tests/conformance/bus_test.ts",
  ];
  const groups = planTests(files, new Set(["auth", "bus"]));
  assertEquals(groups.map(({ name, files, parallel }) => [name, files.length, parallel]), [
    ["architecture", 1, false],
    ["units", 2, true],
    ["integration", 1, false],
    ["browser", 1, false],
    ["conformance", 1, false],
    ["deploy", 1, false],
  ]);
  assertEquals(groups.filter(({ shares }) => !shares).map(({ name }) => name), ["architecture", "units"]);
  assertEquals(groups.flatMap(({ files }) => files).sort(), files.sort());
});

Deno.test("planTests() leaves out groups without files", () => {
  assertEquals(planTests([], new Set(["auth"])), []);
});

Deno.test("findTestFiles() finds tests in a folder and below, and takes a file as it is", () => {
  assertEquals([...findTestFiles("tests/gate/")].sort(), [
    "tests/gate/plan_tests_test.ts",
    "tests/gate/run_tests_test.ts",
  ]);
  assertEquals([...findTestFiles("tests/gate.ts")], ["tests/gate.ts"]);
});
