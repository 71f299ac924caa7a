import { assert, assertEquals } from "@std/assert";
import { parse as parseToml } from "@std/toml/parse";
import { parse as parseYaml } from "@std/yaml/parse";
import { parseUpstreams } from "../../shared/relay/parse_upstreams.ts";
import { allBlocks, blocksIn, page, pages } from "./pages.ts";

const ROOT = new URL("../../", import.meta.url);

/** What is checked, here or by the tests beside this one. `text` is what a program prints. */
const LANGUAGES = ["ts", "tsx", "js", "html", "json", "sh", "sql", "text", "toml", "ini", "yaml"];

Deno.test("every block of code in README and docs has a language that is checked", () => {
  const unknown = allBlocks().filter(({ language }) => !LANGUAGES.includes(language));
  assertEquals(unknown.map(({ where, info }) => `${where}: ${info}`), []);
});

Deno.test("JSON, TOML, YAML and variables in docs are such, and upstreams are what the relay reads", () => {
  for (const { path, code } of blocksIn("json").filter(({ path }) => path !== "docs/protocol.md")) {
    const isUpstreams = Object.values(JSON.parse(code)).some((entry) => Object.hasOwn(Object(entry), "url"));
    if (isUpstreams) assert(parseUpstreams(code, { SPEECH_API_KEY: "secret" }).length > 0, path);
  }
  for (const { code, where } of blocksIn("toml")) assert(Object.keys(parseToml(code)).length > 0, where);
  for (const { code, where } of blocksIn("yaml")) assert(typeof parseYaml(code) === "object", where);
  for (const { code, where } of blocksIn("ini")) {
    for (const line of code.trim().split("\n")) assert(/^[A-Z][A-Z0-9_]*=\S+$/.test(line), `${where}: ${line}`);
  }
});

Deno.test("every variable in README's table of settings is read by the code", () => {
  const sources = sourcesOf("shared") + sourcesOf("functions");
  const { text } = page("README.md");
  const table = text.slice(text.indexOf("### Settings"));
  const names = [...table.matchAll(/^\| ((?:`[A-Z_]+`(?:, )?)+)/gm)].flatMap(([, cell]) => cell!.match(/[A-Z_]+/g)!);
  assert(names.length > 20);
  assertEquals(names.filter((name) => !sources.includes(name)), []);
});

Deno.test("every shell command in docs is a task, a request, or one that the Supabase CLI knows", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))) as {
    tasks: Record<string, { command: string }>;
  };
  const ci = await Deno.readTextFile(new URL(".ci/run", ROOT));
  const cli = tasks.deploy!.command.match(/supabase@[\d.]+/)![0];
  const flagsOf = new Map<string, Set<string>>();
  for (const { line, where } of commands()) {
    const [program = "", ...args] = line.split(/\s+/);
    if (line.startsWith("npx -y deno@")) {
      assert(ci.includes(args[1]!), `${where}: CI runs another version than ${args[1]}`);
      if (args[2] === "task") assert(Object.hasOwn(tasks, args[3] ?? ""), `${where}: there is no task ${args[3]}`);
      else assert(["install", "test"].includes(args[2]!), `${where}: nobody checks "${line}"`);
    } else if (line.startsWith("npx -y supabase@")) {
      assertEquals(args[1], cli, where);
      const words = args.slice(2).filter((arg) => /^[a-z]+$/.test(arg)).slice(0, 2).join(" ");
      const flags = args.filter((arg) => arg.startsWith("--")).map((arg) => arg.split("=")[0]!);
      flagsOf.set(words, (flagsOf.get(words) ?? new Set()).union(new Set(flags)));
    } else assert(["curl", "git", "cd"].includes(program), `${where}: nobody checks "${line}"`);
  }
  // One npx for all of them, as each start of it takes a second.
  const script = [...flagsOf.keys()].map((words) => `supabase ${words} --help`).join("; echo ======; ");
  const { stdout } = await new Deno.Command("npx", {
    args: ["-y", "-p", cli, "-c", script],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const helps = new TextDecoder().decode(stdout).split("======");
  for (const [i, [words, flags]] of [...flagsOf].entries()) {
    const help = helps[i] ?? "";
    assert(help.includes(`supabase ${words}`), `the CLI does not know "supabase ${words}":\n${help}`);
    for (const flag of flags) assert(help.includes(flag), `supabase ${words} has no ${flag}`);
  }
});

Deno.test("docs call Deno by way of npx, as README does: who has Node has all, and CI runs the same version", () => {
  const plain = /(?<![\w@./-])deno (?:task|test|run|install|bundle|deploy)\b/;
  const found = pages.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, i) => plain.test(line) ? [`${path}:${i + 1}: ${line}`] : [])
  );
  assertEquals(found, []);
});

Deno.test("no block without a language holds commands: it would not be checked", () => {
  const commands = /^```\n(?:(?!```).*\n)*?(?:deno|npx|curl|git|npm) .*$/m;
  assertEquals(pages.filter(({ text }) => commands.test(withoutLanguages(text))).map(({ path }) => path), []);
});

Deno.test("every link of README and docs leads to a file, and to a heading of it", () => {
  const links = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\((?!https?:)([^)\s]*)\)/g)].map(([, target = ""]) => ({ path, target }))
  );
  assertEquals(links.filter((link) => !isThere(link)).map(({ path, target }) => `${path} -> ${target}`), []);
});

Deno.test("docs have every metric and every event of the log, and no metric that is not there", () => {
  const sources = sourcesOf("shared") + sourcesOf("functions");
  const documented = page("docs/operations.md").text + page("docs/relay.md").text;
  const find = (text: string, pattern: RegExp) => {
    return [...new Set([...text.matchAll(pattern)].map(([, name]) => name!))].sort();
  };
  const metrics = find(sources, /"(edge_sockets_[a-z_]+)"/g);
  const events = find(sources, /\blog\.(?:debug|info|warn|error)\(\s*"([a-z_.]+)"/g);
  assert(metrics.length > 25 && events.length > 10);
  assertEquals(find(documented, /`(edge_sockets_[a-z_]+[a-z])/g), metrics);
  assertEquals(events.filter((event) => !documented.includes(`\`${event}\``)), []);
});

/** A page without its blocks that have a language. */
function withoutLanguages(text: string): string {
  return text.replace(/^```[^\n`]+\n[\s\S]*?^```$/gm, "");
}

/** The lines of all shell blocks, continued ones as one, without comments. */
function commands(): { line: string; where: string }[] {
  return blocksIn("sh").flatMap(({ code, where }) =>
    code.replaceAll("\\\n", " ").split("\n").map((line) => ({ line: line.replace(/(^|\s)#.*$/, "").trim(), where }))
  ).filter(({ line }) => line !== "");
}

function isThere({ path, target }: { path: string; target: string }): boolean {
  const [file = "", anchor] = target.split("#");
  const url = file === "" ? new URL(path, ROOT) : new URL(file, new URL(path, ROOT));
  try {
    return anchor === undefined
      ? Deno.statSync(url) !== undefined
      : anchorsOf(Deno.readTextFileSync(url)).includes(anchor);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
  );
}

/** The text of all modules below a folder. */
function sourcesOf(folder: string): string {
  return [...Deno.readDirSync(new URL(folder, ROOT))].map(({ name, isDirectory }) => {
    if (isDirectory) return sourcesOf(`${folder}/${name}`);
    return /\.tsx?$/.test(name) ? Deno.readTextFileSync(new URL(`${folder}/${name}`, ROOT)) : "";
  }).join("\n");
}
