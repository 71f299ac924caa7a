/**
 * Runs a function's entrypoint as the platform does: `Deno.serve` listens where the runtime wants it (here a free port of
 * the loopback, printed as `listening on PORT`), and `EdgeRuntime.waitUntil` exists. The entrypoint's URL is the argument.
 * Ends with its input, so that it never outlives who started it, even where that is killed.
 */
// deno-lint-ignore-file no-console
const serve = Deno.serve;
const [entrypoint = ""] = Deno.args;

Object.defineProperty(Deno, "serve", {
  value: (handler: Deno.ServeHandler) => {
    const onListen = ({ port }: Deno.NetAddr) => console.log(`listening on ${port}`);
    return serve({ hostname: "127.0.0.1", port: 0, onListen }, handler);
  },
});
Object.defineProperty(globalThis, "EdgeRuntime", { value: { waitUntil() {} } });

Deno.stdin.readable.pipeTo(new WritableStream()).finally(() => Deno.exit());
await import(entrypoint);
