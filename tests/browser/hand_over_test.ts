import { assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../support/eventually.ts";
import { openBrowser } from "../support/open_browser.ts";
import { requires } from "../support/requires.ts";
import { startTestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";
import { enter, goTo, warmUp } from "./open_page.ts";

const chromium = requires("chromium");
/** Long enough for the next isolate to boot on a busy machine: a page whose isolate dies before would be cut off. */
const WALL_CLOCK_MS = 30_000;

Deno.test({
  name: `the page outlives its isolates: nothing that is said is lost, doubled or out of order${chromium.suffix}`,
  ignore: chromium.ignore,
  fn: () => within("the conversation over three isolates", talkOn(), 10 * WALL_CLOCK_MS),
});

async function talkOn(): Promise<void> {
  await using local = await startTestLocal({ wallClockMs: WALL_CLOCK_MS });
  await warmUp(local);
  await using browser = await openBrowser(chromium.path);
  await using ada = await enter(browser, local, "Ada");
  await using grace = await enter(browser, local, "Grace");
  await using linus = await enter(browser, local, "Linus");
  await goTo(linus.page, "Echo");
  const said: string[] = [];
  const sayOne = async () => {
    said.push(`message ${said.length + 1}`);
    await ada.page.locator("#chat-text").fill(said.at(-1)!);
    await ada.page.locator("#chat-text").press("Enter");
  };

  const views = [[ada.page, "chat"], [grace.page, "chat"], [linus.page, "echo"]] as const;
  const isolates = () => Promise.all(views.map(([page, view]) => isolateOf(page, view)));
  const first = await isolates();
  await eventually("all have moved on", async () => {
    await sayOne();
    return (await isolates()).every((isolate, i) => isolate !== undefined && isolate !== first[i]);
  }, { deadlineMs: 4 * WALL_CLOCK_MS, everyMs: 200 });
  for (const { page, takeErrors } of [ada, grace, linus]) {
    // Chromium says so of a frame that is sent while a connection that was handed over closes; it is sent again.
    const errors = takeErrors().filter((error) => error !== "WebSocket is already in CLOSING or CLOSED state.");
    assertEquals(errors, [], "nobody was cut off");
    await page.locator("section[data-state=open]:not([hidden])").waitFor();
  }

  for (const { id } of local.isolates().filter((isolate) => isolate.function === "chat")) local.killIsolate(id);
  for (let i = 0; i < 5; i++) await sayOne();

  linus.takeErrors(); // Chromium counts a killed isolate as one.
  for (const { page, takeErrors } of [ada, grace]) {
    await page.locator("#chat .message:not(.pending) .bubble").getByText(said.at(-1)!, { exact: true }).waitFor();
    assertEquals(await page.locator("#chat .bubble").allTextContents(), said);
    takeErrors();
  }
}

/** The isolate that a view shows; none while it has no connection. */
async function isolateOf(page: Page, view: "chat" | "echo"): Promise<string | undefined> {
  const shown = page.locator(`#${view} .facts code`);
  return await shown.count() === 0 ? undefined : await shown.getAttribute("title") ?? undefined;
}
