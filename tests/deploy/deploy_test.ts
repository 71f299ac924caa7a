import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { startManagementApi, type Upload } from "./management_api.ts";
import { runDeploy } from "./run_deploy.ts";
import { startFunction } from "./start_function.ts";
import { findFaults, writeTree } from "./uploaded_tree.ts";
import { useFunction } from "./use_function.ts";

const ROOT = new URL("../../", import.meta.url);
const PROJECT_REF = "abcdefghijklmnopqrst";
const ACCESS_TOKEN = `sbp_${"0123456789".repeat(4)}`;
const FUNCTIONS = ["chat", "echo", "relay"];

Deno.test("deno task deploy uploads every function whole, and what it uploads runs on the hosted Deno", async (t) => {
  await using api = startManagementApi(PROJECT_REF, ACCESS_TOKEN);
  const target = { apiUrl: api.url, projectRef: PROJECT_REF, accessToken: ACCESS_TOKEN };
  const { success, output } = await runDeploy(ROOT, target);
  assert(success, output);

  await t.step("each function is uploaded once, leaves tokens to itself, and all go live together", () => {
    assertEquals(api.uploads.map(({ slug }) => slug).sort(), FUNCTIONS);
    assertEquals(api.uploads.filter(({ metadata }) => metadata.verify_jwt).map(({ slug }) => slug), []);
    assertEquals(api.activations.map((slugs) => slugs.toSorted()), [FUNCTIONS]);
    assertEquals(api.unknown, []);
  });

  for (const upload of api.uploads) {
    await using tree = await writeTree(upload.files);
    const { slug, metadata: { entrypoint_path: entrypoint } } = upload;
    await t.step(`${slug} is uploaded with all that it imports, and nothing else`, async () => {
      assertEquals(entrypoint, `functions/${slug}/index.ts`);
      assertEquals(upload.metadata.import_map_path, "deno.json");
      assertEquals(await findFaults(tree, entrypoint, upload.files.keys()), { unresolved: [], surplus: [] });
      assertEquals(outsiders(upload), []);
    });
    await t.step(`${slug} answers`, async () => await useFunction(slug, (env) => startFunction(tree, entrypoint, env)));
  }
});

Deno.test("deno task deploy fails where the project does not know the access token", async () => {
  await using api = startManagementApi(PROJECT_REF, ACCESS_TOKEN);
  const target = { apiUrl: api.url, projectRef: PROJECT_REF, accessToken: ACCESS_TOKEN.replace("0", "f") };
  const { success, output } = await runDeploy(ROOT, target);
  assertEquals([success, api.uploads.length], [false, 0]);
  assertMatch(output, /unauthori[sz]ed|401/i);
});

Deno.test("findFaults() names what an upload lacks and what it has too much of", async () => {
  const files = {
    "deno.json": `{ "imports": { "jose": "npm:jose@6.2.17", "loose": "npm:jose@6" } }`,
    "functions/a/index.ts": `import "jose"; import "loose"; import "https://127.0.0.1/x.ts"; import "./b.ts";`,
    "functions/a/b.ts": `export {};`,
    "tests/c.ts": `export {};`,
  };
  const find = async (paths: string[]) => {
    const contents = Object.entries(files).filter(([path]) => paths.includes(path));
    await using tree = await writeTree(new Map(contents.map(([path, text]) => [path, new TextEncoder().encode(text)])));
    return await findFaults(tree, "functions/a/index.ts", paths);
  };
  assertEquals(await find(Object.keys(files)), {
    unresolved: ["functions/a/index.ts -> npm:jose@6", "functions/a/index.ts -> https://127.0.0.1/x.ts"],
    surplus: ["tests/c.ts"],
  });
  await assertRejects(() => find(["deno.json", "functions/a/index.ts"]), Error, "functions/a/b.ts");
});

/** Uploaded paths that belong neither to the function nor to what functions share. */
function outsiders({ slug, files }: Upload): string[] {
  const isOurs = (path: string) =>
    path === "deno.json" || /^shared\/.*\.tsx?$/.test(path) || path.startsWith(`functions/${slug}/`);
  return [...files.keys()].filter((path) => !isOurs(path));
}
