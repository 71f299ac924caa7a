import * as z from "zod/mini";

/** Which call a tool answers, and for whom. */
export interface ToolCall {
  readonly userId: string;
  /** The client's `session` parameter, if it gave one. */
  readonly sessionId: string | undefined;
  /** OpenAI's id of the call. A call that an isolate's end interrupted is made again with the same id by the next. */
  readonly callId: string;
  /** Aborted when the tool has taken too long, or the client is gone. */
  readonly signal: AbortSignal;
}

/** A function that the model may call and the relay answers; the client sees nothing of it. */
export interface ServerTool<Parameters extends z.core.$ZodType = z.core.$ZodType> {
  /** 1 to 64 letters, digits, `_` and `-`. */
  readonly name: string;
  /** Tells the model what it does, and when to call it. */
  readonly description: string;
  /** An object of its arguments, from `zod/mini` or `zod`; the model gets it as JSON Schema. */
  readonly parameters: Parameters;
  /** How long it may take, in milliseconds; default 10,000. */
  readonly timeoutMs?: number;
  /**
   * Gives what the model is told: text as it is, anything else as JSON. What a `ToolError` says is told to the model too; of any
   * other error it hears only that the tool failed.
   */
  run(args: z.output<Parameters>, call: ToolCall): unknown;
}

/** Declares a tool, so that `run` gets the arguments as its parameters say. */
export function defineTool<Parameters extends z.core.$ZodType>(tool: ServerTool<Parameters>): ServerTool {
  return tool as unknown as ServerTool;
}

/** A failure of a tool that the model may be told of, and put into words for the user. */
export class ToolError extends Error {
  override readonly name = "ToolError";
}

/** A tool as `session.update` declares it. */
export interface ToolDeclaration {
  readonly type: "function";
  readonly name: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** The tools of a deployment, by name. */
export class ToolRegistry {
  readonly declarations: readonly ToolDeclaration[];
  readonly #tools: ReadonlyMap<string, ServerTool>;

  /** @throws {RangeError} that names the tool which is not valid. */
  constructor(tools: readonly ServerTool[]) {
    this.declarations = tools.map(declare);
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
    const twice = tools.find((tool) => this.#tools.get(tool.name) !== tool);
    if (twice !== undefined) fail(twice.name, "its name is given twice");
  }

  get(name: unknown): ServerTool | undefined {
    return this.#tools.get(name as string);
  }
}

function declare({ name, description, parameters, timeoutMs = 1 }: ServerTool): ToolDeclaration {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) fail(name, "a name must have 1 to 64 letters, digits, '_' or '-'");
  if (!(timeoutMs > 0)) fail(name, `timeoutMs must be > 0: current value is ${timeoutMs}`);
  let schema: Record<string, unknown>;
  try {
    schema = z.toJSONSchema(parameters, { io: "input" }) as Record<string, unknown>;
  } catch (error) {
    return fail(name, `its parameters have no JSON Schema: ${(error as Error).message}`);
  }
  if (schema.type !== "object") fail(name, "its parameters must be an object");
  const { $schema: _, ...rest } = schema;
  return { type: "function", name, description, parameters: rest };
}

function fail(name: string, flaw: string): never {
  throw new RangeError(`Cannot start as the tool "${name}" is not valid: ${flaw}`);
}
