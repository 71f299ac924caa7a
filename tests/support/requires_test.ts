import { assertEquals, assertThrows } from "@std/assert";
import { type Machine, requires } from "./requires.ts";

function machine(files: string[], env: Record<string, string> = {}): Machine {
  return {
    env: (name) => ({ PATH: "/usr/bin:/opt/bin", ...env })[name],
    isFile: (path) => files.includes(path),
    folders: ["/usr/lib/postgresql/15/bin"],
  };
}

Deno.test("requires() finds a program on PATH, in a folder of its own, or where a variable says", () => {
  const found = requires("redis-server", machine(["/opt/bin/redis-server"]));
  assertEquals([found.ignore, found.suffix, found.path], [false, "", "/opt/bin/redis-server"]);
  assertEquals(
    requires("postgresql", machine(["/usr/lib/postgresql/15/bin/initdb"])).path,
    "/usr/lib/postgresql/15/bin/initdb",
  );
  const files = ["/usr/bin/chromium", "/my/chrome"];
  assertEquals(requires("chromium", machine(files, { CHROMIUM_PATH: "/my/chrome" })).path, "/my/chrome");
});

Deno.test("requires() skips with a reason where a program is missing", () => {
  const missing = requires("chromium", machine([]));
  assertEquals(missing.ignore, true);
  assertEquals(missing.suffix, " (skipped: chromium is not installed: apt-get install chromium)");
});

Deno.test("requires() skips where the variable names no file", () => {
  assertEquals(requires("chromium", machine(["/usr/bin/chromium"], { CHROMIUM_PATH: "/gone" })).ignore, true);
});

Deno.test("requires() skips nothing in CI: the test runs and fails by name", () => {
  const missing = requires("chromium", machine([], { CI: "true" }));
  assertEquals([missing.ignore, missing.suffix], [false, ""]);
  assertThrows(() => missing.path, Error, "chromium is not installed: apt-get install chromium");
});
