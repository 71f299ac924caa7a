import { assertEquals } from "@std/assert";
import { openBrowser } from "../support/open_browser.ts";
import { requires } from "../support/requires.ts";
import { serve } from "../support/serve.ts";
import { startTarget } from "./target.ts";

const chromium = requires("chromium");

/** How a socket that a page opened came out. */
interface Outcome {
  readonly code: number;
  readonly first: string | undefined;
}

Deno.test({
  name: `a page of a foreign origin gets no socket in Chromium, whatever its user's token${chromium.suffix}`,
  ignore: chromium.ignore,
  async fn() {
    await using browser = await openBrowser(chromium.path);
    const page = () => new Response("<!doctype html><title>page</title>", { headers: { "Content-Type": "text/html" } });
    await using own = serve(page);
    await using foreign = serve(page);
    for (const name of ["echo", "chat", "relay"] as const) {
      await using target = await startTarget(name, { env: { ALLOWED_ORIGINS: own.url } });
      const address = `ws://${target.host}${await target.path(1)}`;
      // The port is part of an origin, and so is the name: 127.0.0.1 is not localhost.
      const places = [own.url, foreign.url, own.url.replace("127.0.0.1", "localhost")];
      const outcomes: string[] = [];
      for (const place of places) {
        await using opened = await browser.newPage();
        await opened.page.goto(place);
        outcomes.push(nameOf(await opened.page.evaluate(open, address)));
      }
      assertEquals(outcomes, ["open", "closed 4403", "closed 4403"], name);
      assertEquals((await target.health()).counters.refused, { origin_forbidden: 2 });
      // What a page could read by fetch is not given to it either.
      await using opened = await browser.newPage();
      await opened.page.goto(foreign.url);
      const read = await opened.page.evaluate(
        (url) => fetch(url).then(() => "read", () => "kept from it"),
        `http://${target.host}/${name}/health`,
      );
      assertEquals(read, "kept from it", name);
    }
  },
});

function nameOf({ code, first }: Outcome): string {
  if (code === 0) return "open";
  // The relay speaks another protocol than ours: there the code says it all.
  const told = first === undefined || JSON.parse(first).code === "origin_forbidden";
  return told ? `closed ${code}` : `closed ${code} after ${first}`;
}

/** Runs in the page: opens a socket, and waits for what it says first, and for its close; code 0 where it stays open. */
function open(address: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = new WebSocket(address);
    let first: string | undefined;
    socket.onmessage = ({ data }) => first ??= String(data);
    socket.onclose = ({ code }) => resolve({ code, first });
    socket.onopen = () => setTimeout(() => resolve({ code: 0, first }), 500);
  });
}
