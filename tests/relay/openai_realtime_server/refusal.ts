import type { RealtimeError } from "openai/resources/realtime/realtime";
import type * as z from "zod/mini";

/** Why a client event was refused, as the `error` event says it; thrown where that is found out. */
export class Refusal extends Error {
  readonly code: string;
  readonly param: string | null;

  constructor(code: string, message: string, param: string | null = null) {
    super(message);
    this.code = code;
    this.param = param;
  }

  /** The `error` of the event. `eventId` is the client's own id of the event that was refused. */
  toError(eventId: string | null): RealtimeError {
    const { code, message, param } = this;
    return { type: "invalid_request_error", code, message, param, event_id: eventId };
  }
}

/** Puts the first thing that is wrong with an event into the words of the API. */
export function refusalOf({ issues }: z.core.$ZodError, event: unknown): Refusal {
  return refusalOfIssue(issues[0]!, event, []);
}

function refusalOfIssue(issue: z.core.$ZodIssue, event: unknown, above: readonly PropertyKey[]): Refusal {
  const path = [...above, ...issue.path];
  const param = pathName(path);
  const value = valueAt(event, path);
  if (issue.code === "unrecognized_keys") {
    const name = pathName([...path, issue.keys[0]!]);
    return new Refusal("unknown_parameter", `Unknown parameter: '${name}'.`, name);
  }
  if (value === undefined) {
    return new Refusal("missing_required_parameter", `Missing required parameter: '${param}'.`, param);
  }
  if (issue.code === "too_big" && issue.origin === "string") {
    const rule = `Expected a string with maximum length ${issue.maximum}, but got a string with length ${
      String(value).length
    } instead.`;
    return new Refusal("string_above_max_length", `Invalid '${param}': string too long. ${rule}`, param);
  }
  if (issue.code === "invalid_type") {
    const rule = `Expected ${issue.expected}, but got ${typeof value} instead.`;
    return new Refusal("invalid_type", `Invalid type for '${param}': ${rule}`, param);
  }
  if (issue.code === "invalid_union") {
    // Of several forms the one that the value comes nearest to: the failure that is deepest inside.
    const [nearest] = issue.errors.flat().sort((a, b) => b.path.length - a.path.length);
    if (nearest !== undefined && nearest.path.length > 0) return refusalOfIssue(nearest, event, path);
  }
  const options = supportedValues(issue);
  const rule = options.length === 0
    ? ""
    : ` Supported values are: ${options.map((option) => `'${option}'`).join(", ")}.`;
  return new Refusal("invalid_value", `Invalid value: ${quote(value)}.${rule}`, param);
}

function supportedValues(issue: z.core.$ZodIssue): readonly string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  if (issue.code !== "invalid_union") return [];
  const { options } = issue as { options?: unknown[] };
  return options?.map(String) ?? issue.errors.flat().flatMap(supportedValues);
}

/** `session.tools[0].name` */
function pathName(path: readonly PropertyKey[]): string {
  return path.map((key) => typeof key === "number" ? `[${key}]` : `.${String(key)}`).join("").replace(/^\./, "");
}

function valueAt(event: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((value, key) => (value as Record<PropertyKey, unknown> | undefined | null)?.[key], event);
}

function quote(value: unknown): string {
  return typeof value === "string" ? `'${value}'` : JSON.stringify(value);
}
