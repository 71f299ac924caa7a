/**
 * Runs the entrypoint that its argument names as the platform does (see `../deploy/boot.ts`), and ends with its input: a
 * server that is measured never outlives the bench, even where that is killed.
 */
import "../deploy/boot.ts";

await Deno.stdin.readable.pipeTo(new WritableStream());
Deno.exit();
