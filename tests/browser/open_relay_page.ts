import type { Page } from "playwright-core";
import { bundleForBrowser } from "../support/bundle_for_browser.ts";
import { openBrowser } from "../support/open_browser.ts";
import { serve } from "../support/serve.ts";
import type {} from "./relay_openai_page.ts";

/** A page on which OpenAI's clients are at hand. */
export interface RelayPage extends AsyncDisposable {
  readonly page: Page;
  /** For `ALLOWED_ORIGINS`. */
  readonly origin: string;
  /** What went wrong on it, but for connections that were lost. */
  errors(): readonly string[];
}

/** Opens `relay_openai_page.ts`. */
export async function openRelayPage(chromiumPath: string): Promise<RelayPage> {
  await using stack = new AsyncDisposableStack();
  const script = await bundleForBrowser(new URL("relay_openai_page.ts", import.meta.url));
  const site = stack.use(serve(({ url }) => {
    const isScript = new URL(url).pathname === "/page.js";
    const headers = { "Content-Type": isScript ? "text/javascript" : "text/html" };
    return new Response(isScript ? script : "<!doctype html><title>relay</title>", { headers });
  }));
  const browser = stack.use(await openBrowser(chromiumPath));
  // The certificate of the test is signed by nobody.
  const { page, errors } = stack.use(await browser.newPage({ ignoreHTTPSErrors: true }));
  await page.goto(site.url);
  await page.addScriptTag({ url: "/page.js", type: "module" });
  await page.waitForFunction(() => "talkBy" in globalThis);
  const opened = stack.move();
  return {
    page,
    origin: site.url,
    // Chromium itself says so of each connection that is lost, and of each frame that is sent to one.
    errors: () => errors.filter((error) => !error.startsWith("WebSocket ")),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
