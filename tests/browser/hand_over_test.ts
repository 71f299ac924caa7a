import { assertEquals, assertNotEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../support/eventually.ts";
import { openBrowser } from "../support/open_browser.ts";
import { requires } from "../support/requires.ts";
import { startTestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";
import { enter, warmUp } from "./open_page.ts";

const chromium = requires("chromium");
const WALL_CLOCK_MS = 10_000;

Deno.test({
  name: `the page outlives its isolates: nothing that is said is lost, doubled or out of order${chromium.suffix}`,
  ignore: chromium.ignore,
  fn: () => within("the conversation over three isolates", talkOn(), 90_000),
});

async function talkOn(): Promise<void> {
  await using local = await startTestLocal({ wallClockMs: WALL_CLOCK_MS });
  await warmUp(local);
  await using browser = await openBrowser(chromium.path);
  await using ada = await enter(browser, local, "Ada");
  await using grace = await enter(browser, local, "Grace");
  const said: string[] = [];
  const sayOne = async () => {
    said.push(`message ${said.length + 1}`);
    await ada.page.locator("#chat-text").fill(said.at(-1)!);
    await ada.page.locator("#chat-text").press("Enter");
  };

  const firstIsolate = await isolateOfEcho(ada.page);
  await eventually("both have moved on before their isolate was killed", async () => {
    await sayOne();
    const moved = await Promise.all([ada, grace].map(({ page }) => sawFrame(page, '"type":"reconnect"')));
    return moved.every(Boolean);
  }, { deadlineMs: 2 * WALL_CLOCK_MS, everyMs: 200 });
  await ada.page.locator("#chat[data-state=open]").waitFor();
  await eventually("echo has moved on", async () => {
    return await isolateOfEcho(ada.page) !== firstIsolate;
  }, { deadlineMs: 2 * WALL_CLOCK_MS });
  assertNotEquals(await isolateOfEcho(ada.page), firstIsolate);

  for (const { id } of local.isolates().filter((isolate) => isolate.function === "chat")) local.killIsolate(id);
  for (let i = 0; i < 5; i++) await sayOne();

  for (const { page, takeErrors } of [ada, grace]) {
    await page.locator("#chat .message:not(.pending) .bubble").getByText(said.at(-1)!, { exact: true }).waitFor();
    assertEquals(await page.locator("#chat .bubble").allTextContents(), said);
    takeErrors(); // Chromium counts a killed isolate as one.
  }
}

async function isolateOfEcho(page: Page): Promise<string | null> {
  await page.locator("#echo[data-state=open]").waitFor();
  return await page.locator("#echo .facts code").getAttribute("title");
}

async function sawFrame(page: Page, text: string): Promise<boolean> {
  return (await page.locator("#chat .frames ol").textContent())?.includes(text) ?? false;
}
