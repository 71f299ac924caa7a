/**
 * Makes two packages of the client, for npm and for JSR, in `dist/npm` and `dist/jsr`, and says how large they are.
 *
 * ```
 * deno task package [FOLDER]
 * npm publish dist/npm
 * deno publish --config dist/jsr/deno.json
 * ```
 *
 * Both hold `.` (the client) and `./react` (its hooks). Neither needs zod: the protocol's schemas become types.
 */
// deno-lint-ignore-file no-console -- this talks to the terminal
import { fileURLToPath, pathToFileURL } from "node:url";
import { type ProtocolModule, writeProtocolTypes } from "./write_protocol_types.ts";

const NAME = "edge-sockets";
const JSR_NAME = "@edge-sockets/client";
const VERSION = "0.1.0";
const DESCRIPTION = "The chat client of edge-sockets: WebSockets on Supabase Edge Functions that lose nothing.";
const REACT_VERSIONS = ">=18";

const ROOT = new URL("../", import.meta.url);
const SHARED = new URL("shared/", ROOT);

const dist = new URL(`${pathToFileURL(Deno.args[0] ?? fileURLToPath(new URL("dist", ROOT))).href}/`);
const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))) as {
  imports: Record<string, string>;
};
await packJsr(new URL("jsr/", dist));
await packNpm(new URL("jsr/", dist), new URL("npm/", dist));

/** The sources, as JSR takes them. */
async function packJsr(folder: URL): Promise<void> {
  await empty(folder);
  for (const name of ["client", "react"]) await copyModules(new URL(`${name}/`, SHARED), new URL(`${name}/`, folder));
  await writeProtocol(new URL("protocol/", folder));
  await writeDocs(folder);
  const config = {
    name: JSR_NAME,
    version: VERSION,
    license: "MIT",
    description: DESCRIPTION,
    exports: { ".": "./client/mod.ts", "./react": "./react/mod.ts" },
    imports: { "react": imports["react"], "@types/react": imports["@types/react"] },
    publish: { include: ["client", "react", "protocol", "README.md", "LICENSE"] },
  };
  await writeJson(new URL("deno.json", folder), config);
  await runDeno(["fmt", "--quiet", "--line-width=120", fileURLToPath(folder)]);
}

/** Two modules, minified, and their types. */
async function packNpm(sources: URL, folder: URL): Promise<void> {
  await empty(folder);
  await writeTypes(sources, new URL("types/", folder));
  await bundle(new URL("client/mod.ts", sources), new URL("client.js", folder));
  await bundleReact(sources, new URL("react.js", folder));
  await writeDocs(folder);
  const entry = (name: string) => ({ types: `./types/${name}/mod.d.ts`, default: `./${name}.js` });
  await writeJson(new URL("package.json", folder), {
    name: NAME,
    version: VERSION,
    description: DESCRIPTION,
    license: "MIT",
    keywords: ["supabase", "websocket", "chat", "realtime", "react"],
    type: "module",
    sideEffects: false,
    exports: { ".": entry("client"), "./react": entry("react") },
    types: "./types/client/mod.d.ts",
    engines: { node: ">=22" },
    files: ["client.js", "react.js", "types"],
    peerDependencies: { react: REACT_VERSIONS, "@types/react": REACT_VERSIONS },
    peerDependenciesMeta: { react: { optional: true }, "@types/react": { optional: true } },
  });
  for (const name of ["client.js", "react.js"]) {
    console.log(`${name}: ${await gzipBytes(new URL(name, folder))} bytes, gzip`);
  }
}

/** The protocol, in which schemas become types; what has none goes as it is. */
async function writeProtocol(folder: URL): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const protocol = new URL("protocol/", SHARED);
  const schemas: ProtocolModule[] = [];
  for await (const { name } of Deno.readDir(protocol)) {
    const file = new URL(name, protocol);
    const source = await Deno.readTextFile(file);
    if (source.includes(`"zod/mini"`)) schemas.push({ name, source, exports: await import(file.href) });
    else await Deno.copyFile(file, new URL(name, folder));
  }
  for (const [name, source] of writeProtocolTypes(schemas)) await Deno.writeTextFile(new URL(name, folder), source);
}

/** The hooks, which import the client's module beside them: then an error of one is an error of the other. */
async function bundleReact(sources: URL, output: URL): Promise<void> {
  const folder = new URL(`${pathToFileURL(await Deno.makeTempDir()).href}/`);
  try {
    for (const name of ["client", "react", "protocol"]) {
      await copyModules(new URL(`${name}/`, sources), new URL(`${name}/`, folder));
    }
    for await (const { name } of Deno.readDir(new URL("react/", folder))) {
      const file = new URL(`react/${name}`, folder);
      const text = await Deno.readTextFile(file);
      await Deno.writeTextFile(file, text.replaceAll(`"../client/mod.ts"`, `"${NAME}"`));
    }
    await bundle(new URL("react/mod.ts", folder), output, ["react", NAME]);
    const text = await Deno.readTextFile(output);
    await Deno.writeTextFile(output, text.replaceAll(`"${NAME}"`, `"./client.js"`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function bundle(entry: URL, output: URL, external: readonly string[] = []): Promise<void> {
  await runDeno([
    ...["bundle", "--quiet", "--no-lock", "--platform=browser", "--minify", `--output=${fileURLToPath(output)}`],
    ...external.map((name) => `--external=${name}`),
    fileURLToPath(entry),
  ]);
}

async function writeTypes(sources: URL, folder: URL): Promise<void> {
  const files: string[] = [];
  for (const name of ["client", "react", "protocol"]) {
    for await (const file of Deno.readDir(new URL(`${name}/`, sources))) {
      files.push(fileURLToPath(new URL(`${name}/${file.name}`, sources)));
    }
  }
  const output = fileURLToPath(folder);
  await runDeno(["transpile", "--quiet", "--declaration", `--outdir=${output}`, ...files], sources);
  await onlyDeclarations(folder);
}

/** Keeps the types, and lets them name one another as a compiler of npm packages looks for them. */
async function onlyDeclarations(folder: URL): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const file = new URL(isDirectory ? `${name}/` : name, folder);
    if (isDirectory) await onlyDeclarations(file);
    else if (!name.endsWith(".d.ts")) await Deno.remove(file);
    else await Deno.writeTextFile(file, npmTypes(await Deno.readTextFile(file)));
  }
}

function npmTypes(text: string): string {
  return text
    .replace(/^\/\/\/ <amd-module[^\n]*\n/, "")
    .replace(/^\/\/ @ts-types=.*\n/gm, "")
    .replace(/((?:from|import\() ?")(\.[^"]*)\.ts"/g, `$1$2.js"`);
}

async function copyModules(from: URL, to: URL): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) await Deno.copyFile(new URL(name, from), new URL(name, to));
}

async function writeDocs(folder: URL): Promise<void> {
  await Deno.copyFile(new URL("docs/client.md", ROOT), new URL("README.md", folder));
  await Deno.copyFile(new URL("LICENSE", ROOT), new URL("LICENSE", folder));
}

async function empty(folder: URL): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(folder, { recursive: true });
}

async function writeJson(file: URL, value: unknown): Promise<void> {
  await Deno.writeTextFile(file, `${JSON.stringify(value, null, 2)}\n`);
}

async function gzipBytes(file: URL): Promise<number> {
  const compressed = new Blob([await Deno.readFile(file)]).stream().pipeThrough(new CompressionStream("gzip"));
  return (await new Response(compressed).arrayBuffer()).byteLength;
}

async function runDeno(args: string[], cwd: URL = ROOT): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), { args, cwd, stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  if (success) return;
  throw new Error(`Cannot run deno ${args[0]}: ${new TextDecoder().decode(stdout)}${new TextDecoder().decode(stderr)}`);
}
