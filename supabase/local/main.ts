/** The command behind `deno task dev`. */
// deno-lint-ignore-file no-console -- this is what talks to the terminal
import { readEnvFile } from "./read_env_file.ts";
import { loadKeys } from "./keys.ts";
import { type Flags, HELP, parseFlags } from "./parse_flags.ts";
import { printTable } from "./print_table.ts";
import { readConfig } from "./read_config.ts";
import { type LocalSupabase, startLocal } from "./start_local.ts";
import { statusLine } from "./status_line.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

const flags = parseFlags(Deno.args);
if (!flags.ok) {
  console.error(`${flags.error}\n\n${HELP}`);
  Deno.exit(EXIT_USAGE);
}
if (flags.value.help) {
  console.log(HELP);
  Deno.exit(0);
}
await run(flags.value);

async function run({ help: _, port, ...options }: Flags): Promise<void> {
  const startedAt = performance.now();
  const { apiPort } = await readConfig(new URL("../config.toml", import.meta.url));
  const status = statusLine();
  let local: LocalSupabase;
  try {
    local = await startLocal({
      ...options,
      port: port ?? apiPort,
      env: await ownVariables(),
      keys: await loadKeys(new URL("../.temp/local_keys.json", import.meta.url)),
      watch: true,
      onProgress: (step) => status.show(step),
      log: (line) => status.print(() => console.log(line)),
    });
  } catch (error) {
    status[Symbol.dispose]();
    console.error(explain(error, port ?? apiPort));
    Deno.exit(EXIT_FAILURE);
  }
  status[Symbol.dispose]();
  console.log(`\n${printTable(local)}\n`);
  console.log(`Ready in ${((performance.now() - startedAt) / 1000).toFixed(1)} s. Ctrl-C ends it.\n`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, async () => {
      await local.close();
      Deno.exit(0);
    });
  }
}

/** The project's variables, from `supabase/.env`; the key of OpenAI from this process's environment too. */
async function ownVariables(): Promise<Record<string, string>> {
  const key = Deno.env.get("OPENAI_API_KEY");
  return { ...(key ? { OPENAI_API_KEY: key } : {}), ...await readEnvFile(new URL("../.env", import.meta.url)) };
}

function explain(error: unknown, port: number): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return `Port ${port} is taken: end what listens there, or choose another one with --port ${port + 1}`;
  }
  return error instanceof Error ? error.message : String(error);
}
