import type { LocalSupabase } from "./start_local.ts";

/** The addresses and keys of a running project, as a table for a terminal. */
export function printTable(local: LocalSupabase): string {
  const sockets = local.url.replace("http", "ws");
  return table([
    ["Page", `${local.url}/`],
    ["API URL", local.url],
    ...local.functions.map((name): [string, string] => [`Function ${name}`, `${sockets}/functions/v1/${name}`]),
    ["Realtime", `${sockets}/realtime/v1, for development: broadcast and presence, no Postgres Changes`],
    ["Database", local.databaseUrl ? withoutPassword(local.databaseUrl) : "PGlite, in memory"],
    ["OpenAI", local.openAiUrl ?? "wss://api.openai.com/v1/realtime"],
    ["Publishable key", local.publishableKey],
    ["Secret key", local.secretKey],
    ["anon key", local.anonKey],
    ["service_role key", local.serviceRoleKey],
    ["JWT secret", local.jwtSecret],
  ]);
}

/** Lines the second column up, and draws a line around it all that holds for values of any length. */
function table(rows: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padStart(width)}  ${value}`).join("\n");
}

function withoutPassword(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  if (url.password) url.password = "***";
  return url.href;
}
