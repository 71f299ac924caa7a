/**
 * The first file of an isolate: gives the function what the platform gives it, listens on a free port of the loopback
 * interface, loads the function's entrypoint (the only argument) and reports to the parent. Runs on Deno 2.1 too.
 */
import { type FromIsolate, MESSAGE_MARK, type ToIsolate, type UnloadReason } from "./isolate_messages.ts";
import { PendingPromises } from "./pending_promises.ts";

const UNLOADED_AFTER_MS = 50;

/** A pipe takes a line of this length at once. */
const MAX_MESSAGE_LENGTH = 2_000;

const [entrypoint] = Deno.args;
if (entrypoint === undefined) throw new TypeError("Cannot start an isolate without an entrypoint");

let isRetired = false;
const pending = new PendingPromises((count) => isRetired && report({ type: "pending", count }));

Object.assign(globalThis, { EdgeRuntime: { waitUntil: <T>(promise: T): T => pending.waitUntil(promise) } });
Object.defineProperty(Deno, "serve", { value: serveForParent(Deno.serve), configurable: true });
obeyParent();
Deno.addSignalListener("SIGINT", () => {}); // Ctrl-C reaches the isolates too: their parent is the one to end them.
report({ type: "booting" });
try {
  await import(entrypoint);
} catch (error) {
  report({ type: "boot_failed", message: Deno.inspect(error).slice(0, MAX_MESSAGE_LENGTH) });
  Deno.exit(1);
}

/** `Deno.serve` that listens where the parent can find it, whatever address the function asks for. */
function serveForParent(serve: typeof Deno.serve): typeof Deno.serve {
  return ((...args: [unknown, unknown?]) => {
    const [first, second] = args;
    const options = typeof first === "function" ? {} : first as Deno.ServeTcpOptions & { handler?: unknown };
    const handler = [first, second, options.handler].find((value) => typeof value === "function");
    return serve({
      ...options,
      hostname: "127.0.0.1",
      port: 0,
      handler: handler as Deno.ServeHandler,
      onListen: ({ port }) => report({ type: "serving", port }),
    });
  }) as typeof Deno.serve;
}

async function obeyParent(): Promise<void> {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) obey(JSON.parse(line) as ToIsolate);
  }
  Deno.exit(0); // The parent is gone.
}

function obey(message: ToIsolate): void {
  if (message.type === "beforeunload") return dispatchBeforeunload(message.reason);
  isRetired = true;
  report({ type: "pending", count: pending.count });
}

function dispatchBeforeunload(reason: UnloadReason): void {
  globalThis.dispatchEvent(new CustomEvent("beforeunload", { detail: { reason } }));
  // What a listener has sent leaves the process in a later turn of its event loop.
  setTimeout(() => report({ type: "unloaded" }), UNLOADED_AFTER_MS);
}

function report(message: FromIsolate): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${MESSAGE_MARK}${JSON.stringify(message)}\n`));
}
