/**
 * Runs the stand-in by itself, for the local project or any client, until it is ended:
 *
 * ```
 * deno run -A tests/relay/openai_realtime_server/main.ts
 * ```
 */
// deno-lint-ignore-file no-console
import { startOpenAiRealtime } from "./start_openai_realtime.ts";

const { url, apiKey } = await startOpenAiRealtime();
console.log(`OPENAI_REALTIME_URL=${url}\nOPENAI_API_KEY=${apiKey}`);
