import type { Page } from "playwright-core";
import { bundleScript } from "../support/bundle_script.ts";
import { openBrowser } from "../support/open_browser.ts";
import { SCRIPT_PATH, serveScript } from "../support/serve_script.ts";
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
  const script = await bundleScript(new URL("relay_openai_page.ts", import.meta.url));
  const site = stack.use(serveScript(script));
  const browser = stack.use(await openBrowser(chromiumPath));
  // The certificate of the test is signed by nobody.
  const { page, errors } = stack.use(await browser.newPage({ ignoreHTTPSErrors: true }));
  await page.goto(site.url);
  await page.addScriptTag({ url: SCRIPT_PATH, type: "module" });
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
