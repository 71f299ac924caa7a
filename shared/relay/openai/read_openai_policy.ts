import { type OpenAiPolicy, parseOpenAiPolicy } from "./openai_policy.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads a text file that the environment names. */
export type ReadTextFile = (path: string) => Promise<string>;

/**
 * What clients may do at OpenAI, from a function's environment: `OPENAI_REALTIME_POLICY` holds the policy as JSON, or
 * `OPENAI_REALTIME_POLICY_FILE` names a file that does. Without either the defaults of a policy hold.
 *
 * @throws {RangeError} that names the variable and the field, and quotes no value of the policy.
 */
export async function readOpenAiPolicy(env: Environment, readTextFile: ReadTextFile): Promise<OpenAiPolicy> {
  const inline = env.OPENAI_REALTIME_POLICY?.trim();
  const path = env.OPENAI_REALTIME_POLICY_FILE?.trim();
  if (inline && path) fail("OPENAI_REALTIME_POLICY and OPENAI_REALTIME_POLICY_FILE must not both be set");
  const text = path ? await readPolicyFile(path, readTextFile) : inline || "{}";
  const rule = `${path ? "OPENAI_REALTIME_POLICY_FILE" : "OPENAI_REALTIME_POLICY"} must hold a policy`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The engine's message quotes the text.
    fail(`${rule}: it must be JSON`);
  }
  try {
    return parseOpenAiPolicy(value, modelOf(env));
  } catch (error) {
    return fail(`${rule}: ${(error as Error).message}`);
  }
}

async function readPolicyFile(path: string, readTextFile: ReadTextFile): Promise<string> {
  try {
    return await readTextFile(path);
  } catch (error) {
    return fail(`OPENAI_REALTIME_POLICY_FILE must name a file that can be read: ${(error as Error).message}`);
  }
}

/** The model that the upstream is dialled with for a client that asks for none, where the environment says it. */
function modelOf({ OPENAI_REALTIME_URL: url = "", OPENAI_REALTIME_MODEL: model }: Environment): string | undefined {
  const ofUrl = URL.canParse(url.trim()) ? new URL(url.trim()).searchParams.get("model") : null;
  return ofUrl || model?.trim() || undefined;
}

function fail(rule: string): never {
  throw new RangeError(`Cannot start as ${rule}`);
}
