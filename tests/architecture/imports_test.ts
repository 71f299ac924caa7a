import { assertEquals } from "@std/assert";
import { findCycles, findWrongDirections } from "./directions.ts";
import { type ImportGraph, readImportGraph } from "./import_graph.ts";
import { isModule, listFiles } from "./list_files.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("imports point one way, and no two files import one another", async () => {
  const files = listFiles(ROOT).filter(isModule);
  const graph = await readImportGraph(ROOT, files);
  assertEquals(files.filter((file) => !graph.has(file)), [], "every module is in the graph");
  assertEquals(findWrongDirections(graph), []);
  assertEquals(findCycles(graph), []);
});

const edges: { from: string; to: string; wrong?: string }[] = [
  { from: "functions/chat/index.ts", to: "shared/room/room.ts" },
  { from: "functions/chat/index.ts", to: "functions/chat/settings.ts" },
  { from: "functions/chat/index.ts", to: "shared/store/memory_store.ts" },
  { from: "functions/chat/index.ts", to: "functions/echo/index.ts", wrong: "functions do not import one another" },
  { from: "functions/chat/index.ts", to: "shared/client/client.ts", wrong: "functions may not import client" },
  { from: "functions/chat/index.ts", to: "tests/support/requires.ts", wrong: "functions may not import tests" },
  { from: "shared/room/room.ts", to: "shared/connection/serve_sockets.ts" },
  { from: "shared/room/room.ts", to: "shared/store/store.ts" },
  { from: "shared/room/room.ts", to: "shared/store/memory_store.ts", wrong: "room may not import store backends" },
  { from: "shared/room/room.ts", to: "shared/relay/pipe.ts", wrong: "room may not import relay" },
  { from: "shared/room/room.ts", to: "functions/chat/index.ts", wrong: "room may not import functions" },
  { from: "shared/connection/bind.ts", to: "shared/room/room.ts", wrong: "connection may not import room" },
  { from: "shared/process/pid.ts", to: "shared/connection/bind.ts", wrong: "process may not import connection" },
  { from: "shared/auth/verify_token.ts", to: "npm:jose@6.2.17" },
  { from: "shared/auth/verify_token.ts", to: "supabase/local/keys.ts", wrong: "auth may not import supabase" },
  { from: "shared/bus/redis_bus.ts", to: "shared/bus/bus.ts" },
  { from: "shared/bus/redis_bus.ts", to: "shared/bus/memory_bus.ts", wrong: "backends do not import one another" },
  { from: "shared/bus/redis_bus.ts", to: "shared/store/store.ts", wrong: "bus backends may not import store port" },
  { from: "shared/bus/bus.ts", to: "shared/bus/memory_bus.ts", wrong: "bus port may not import bus backends" },
  { from: "shared/protocol/frames.ts", to: "npm:zod@4.6.7/mini" },
  { from: "shared/protocol/frames.ts", to: "npm:/zod@4.6.7/mini" },
  { from: "shared/protocol/frames.ts", to: "npm:@zod/core@1.0.0", wrong: "protocol may not use this package" },
  { from: "shared/protocol/frames.ts", to: "node:buffer", wrong: "protocol may not use this package" },
  { from: "shared/protocol/frames.ts", to: "shared/auth/verify_token.ts", wrong: "protocol may not import auth" },
  { from: "shared/client/client.ts", to: "shared/protocol/frames.ts" },
  { from: "shared/client/client.ts", to: "shared/process/pid.ts", wrong: "client may not import process" },
  { from: "shared/client/client.ts", to: "npm:jose@6.2.17", wrong: "client may not use this package" },
  { from: "shared/cache/cache.ts", to: "shared/protocol/codes.ts", wrong: '"cache" has no rule' },
  { from: "tests/chat_test.ts", to: "functions/chat/index.ts" },
];

for (const { from, to, wrong } of edges) {
  Deno.test(`findWrongDirections() ${wrong ? "names" : "allows"} ${from} -> ${to}`, () => {
    assertEquals(findWrongDirections(new Map([[from, [to]]])), wrong ? [`${from} -> ${to}: ${wrong}`] : []);
  });
}

const cycles: { name: string; graph: ImportGraph; expected: string[] }[] = [
  { name: "none in a diamond", graph: graphOf({ a: ["b", "c"], b: ["d"], c: ["d"], d: ["npm:zod"] }), expected: [] },
  { name: "two that import one another", graph: graphOf({ a: ["b"], b: ["a"], c: ["a"] }), expected: ["a, b"] },
  { name: "a file that imports itself", graph: graphOf({ a: ["a"] }), expected: ["a"] },
  {
    name: "two circles that do not touch",
    graph: graphOf({ a: ["b"], b: ["c"], c: ["a", "d"], d: ["e"], e: ["d"] }),
    expected: ["a, b, c", "d, e"],
  },
];

for (const { name, graph, expected } of cycles) {
  Deno.test(`findCycles() finds ${name}`, () => assertEquals(findCycles(graph), expected));
}

Deno.test("readImportGraph() sees static and dynamic imports and those of types, mapped names resolved", async () => {
  const folder = await Deno.makeTempDir();
  const root = new URL(`file://${await Deno.realPath(folder)}/`);
  const files: Record<string, string> = {
    "deno.json": `{ "imports": { "jose": "npm:jose@6.2.17" } }`,
    "a.ts": `import "./b.ts";\nimport type { C } from "./c.ts";\nexport const d = (c: C) => import("./d.ts");\n`,
    "b.ts": `export { SignJWT } from "jose";\n`,
    "c.ts": `export type C = 1;\n`,
    "d.ts": `export type { C } from "./c.ts";\n`,
  };
  try {
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(new URL(name, root), text);
    assertEquals(
      await readImportGraph(root, ["a.ts"]),
      graphOf({ "a.ts": ["./b.ts", "./c.ts", "./d.ts"], "b.ts": ["npm:jose@6.2.17"], "c.ts": [], "d.ts": ["./c.ts"] }),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

function graphOf(imports: Record<string, string[]>): ImportGraph {
  return new Map(Object.entries(imports).map(([file, to]) => [file, to.map((path) => path.replace(/^\.\//, ""))]));
}
