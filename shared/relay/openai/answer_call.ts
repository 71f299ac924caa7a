import * as z from "zod/mini";
import type { Log } from "../../telemetry/log.ts";
import { pathName } from "./path_name.ts";
import { type ServerTool, type ToolCall, ToolError } from "./server_tool.ts";

const DEFAULT_TIMEOUT_MS = 10_000;
/** What a model is told of one call; more would crowd out the conversation. */
const MAX_OUTPUT_LENGTH = 65_536;

/**
 * Answers one call: what the tool gives, or what went wrong as `{"error": {"code", "message"}}`, so that the model can say it or
 * try again. Never rejects; arguments, and errors that are not for the model, go to nobody but the log.
 */
export async function answerCall(
  tool: ServerTool,
  args: unknown,
  { log, signal: ending, ...call }: ToolCall & { readonly log: Log },
): Promise<string> {
  const { name, timeoutMs = DEFAULT_TIMEOUT_MS } = tool;
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  const signal = AbortSignal.any([ending, timeout.signal]);
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  const run = async () => {
    const parsed = await z.safeParseAsync(tool.parameters, parseJson(args));
    if (!parsed.success) return failure("invalid_arguments", describe(parsed.error));
    const result = await tool.run(parsed.data, { ...call, signal });
    return typeof result === "string" ? result : JSON.stringify(result ?? null);
  };
  try {
    const output = await Promise.race([run(), aborted]);
    if (output.length <= MAX_OUTPUT_LENGTH) return output;
    log.error("openai.tool_failed", { tool: name, message: `Its output has ${output.length} characters` });
    return failure("tool_failed", "The output of the tool is too long.");
  } catch (error) {
    if (error instanceof ToolError) return failure("tool_error", error.message);
    if (timeout.signal.aborted) {
      log.warn("openai.tool_timed_out", { tool: name, timeout_ms: timeoutMs });
      return failure("tool_timeout", "The tool took too long.");
    }
    if (!ending.aborted) log.error("openai.tool_failed", { tool: name, error });
    return failure("tool_failed", "The tool failed.");
  } finally {
    clearTimeout(timer);
  }
}

/** An output that says what went wrong. */
export function failure(code: string, message: string): string {
  return JSON.stringify({ error: { code, message } });
}

/** A model that calls without arguments sends an empty text. */
function parseJson(args: unknown): unknown {
  if (typeof args !== "string" || args.trim() === "") return {};
  try {
    return JSON.parse(args);
  } catch {
    return undefined;
  }
}

function describe({ issues }: z.core.$ZodError): string {
  return issues.map((issue) => {
    // The words of zod are a module of their own, which is not loaded for this.
    const flaw = issue.code === "invalid_type" ? `must be of the type ${issue.expected}` : issue.message;
    return issue.path.length === 0 ? flaw : `${pathName(issue.path)}: ${flaw}`;
  }).join("; ");
}
