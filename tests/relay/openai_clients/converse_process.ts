/** Holds a conversation in a process of its own, and prints how it went (`Conversed`) as JSON: `converse_process.ts URL KEY TURNS`. */
import { converse } from "./converse.ts";

const [url = "", key = "", turns] = Deno.args;
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(await converse({ url, key }, Number(turns)))));
Deno.exit();
