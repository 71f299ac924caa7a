import { serve, type Served } from "./serve.ts";

/** Where `serveScript` serves the script. */
export const SCRIPT_PATH = "/script.js";

/** Serves a blank page, and one script at `SCRIPT_PATH`. */
export function serveScript(script: string): Served {
  return serve(({ url }) => {
    const isScript = new URL(url).pathname === SCRIPT_PATH;
    const headers = { "Content-Type": isScript ? "text/javascript" : "text/html" };
    return new Response(isScript ? script : "<!doctype html><title>blank</title>", { headers });
  });
}
