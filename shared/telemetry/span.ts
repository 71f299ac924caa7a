/** What of `@opentelemetry/api` is used here, as its documentation has it. */
interface Tracer {
  startActiveSpan<T>(name: string, options: { attributes: Attributes }, task: (span: Span) => T): T;
}

interface Span {
  setStatus(status: { code: number; message?: string }): unknown;
  end(): void;
}

interface TelemetryApi {
  readonly trace?: { getTracer(name: string): Tracer };
}

/** What a span says of itself. Never a secret, and of a user no more than the id. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

const API = Symbol.for("opentelemetry.js.api.1");
const ERROR_STATUS = 2;

let tracer: Tracer | undefined;

/**
 * Runs `task` inside an OpenTelemetry span where there is a tracer, and by itself where not. A task that rejects, and one
 * whose result `fails` calls a failure, marks the span as failed.
 *
 * The tracer is that of whoever set up OpenTelemetry: the runtime (`OTEL_DENO=true`) or the package's SDK. Both are found
 * under the global symbol by which all copies of `@opentelemetry/api` find each other, so nothing is loaded for it.
 */
export function inSpan<T>(
  name: string,
  attributes: Attributes,
  task: () => Promise<T>,
  failureOf?: (result: T) => string | undefined,
): Promise<T> {
  const found = findTracer();
  if (found === undefined) return task();
  return found.startActiveSpan(name, { attributes }, async (span) => {
    try {
      const result = await task();
      const failure = failureOf?.(result);
      if (failure !== undefined) span.setStatus({ code: ERROR_STATUS, message: failure });
      return result;
    } catch (error) {
      // By name alone: a message may quote what was sent or where to.
      span.setStatus({ code: ERROR_STATUS, message: error instanceof Error ? error.name : "unknown" });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Looked for until there is one: an SDK may be set up after this module was loaded. */
function findTracer(): Tracer | undefined {
  return tracer ??= (globalThis as { [key: symbol]: TelemetryApi | undefined })[API]?.trace?.getTracer("edge-sockets");
}
