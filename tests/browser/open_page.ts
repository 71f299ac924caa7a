import { assertEquals } from "@std/assert";
import type { BrowserContextOptions, Page } from "playwright-core";
import type { LocalSupabase } from "../../supabase/local/start_local.ts";
import type { TestBrowser } from "../support/open_browser.ts";
import { within } from "../support/within.ts";

/** The page at `/`, opened by somebody. */
export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** The errors so far, which then count no more. */
  takeErrors(): string[];
}

/** Loads the page at `/`; at its end it must have had no error. */
export async function openPage(
  browser: TestBrowser,
  local: LocalSupabase,
  { path = "/", ...options }: BrowserContextOptions & { path?: string } = {},
): Promise<OpenPage> {
  const { page, errors, ...opened } = await browser.newPage(options);
  await page.goto(new URL(path, local.url).href);
  await page.locator("#sign-in").waitFor();
  return {
    page,
    takeErrors: () => errors.splice(0),
    async [Symbol.asyncDispose]() {
      await opened[Symbol.asyncDispose]();
      assertEquals(errors, [], "errors on the page");
    },
  };
}

/** Loads the page, makes an account by its form and waits until the chat is open. */
export async function enter(
  browser: TestBrowser,
  local: LocalSupabase,
  name: string,
  options: BrowserContextOptions & { path?: string } = {},
): Promise<OpenPage> {
  const opened = await openPage(browser, local, options);
  const { page } = opened;
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Email").fill(`${crypto.randomUUID()}@example.com`);
  await page.getByLabel("Password").fill("correct horse");
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.locator("#chat[data-state=open]").waitFor();
  return opened;
}

/** Goes to another view of the page, and waits until its socket is open. */
export async function goTo(page: Page, view: "Chat" | "Echo" | "Relay" | "Stage"): Promise<void> {
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: view }).click();
  await page.locator(`#${view.toLowerCase()}[data-state=open]`).waitFor();
}

/** Asks for the script of the page once: on a machine that never bundled one, the bundler is downloaded first. */
export async function warmUp(local: LocalSupabase): Promise<void> {
  const load = async () => {
    const response = await fetch(new URL("/main.js", local.url));
    await response.body?.cancel();
    assertEquals(response.status, 200);
  };
  await within("the page's script", load(), 60_000);
}
