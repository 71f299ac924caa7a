import { assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { eventually } from "../support/eventually.ts";
import { openBrowser } from "../support/open_browser.ts";
import { requires } from "../support/requires.ts";
import { startTestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";
import { warmUp } from "./open_page.ts";

const chromium = requires("chromium");
const KILLS = 3;
/** Isolates start and clients come back in their own time; most of a busy machine's belongs to others. */
const PATIENCE = { deadlineMs: 60_000, everyMs: 100 };

Deno.test({
  name: `the stage counts nothing lost, doubled or reordered while isolates die and the bus fails${chromium.suffix}`,
  ignore: chromium.ignore,
  fn: () => within("the stage", killOnStage(), 240_000),
});

async function killOnStage(): Promise<void> {
  await using local = await startTestLocal({ isolates: 2, realtime: { messagesPerSecond: Infinity } });
  await warmUp(local);
  await using browser = await openBrowser(chromium.path);
  await using opened = await browser.newPage();
  const { page } = opened;
  await page.goto(`${local.url}/#stage`);
  await eventually(
    "the first messages were compared with the log",
    async () => await figure(page, "Compared") > 3,
    PATIENCE,
  );
  await page.getByLabel("Half").check();
  await page.getByLabel("doubled").check();
  await page.getByLabel("reordered").check();
  await eventually("the bus drops messages", async () => await figure(page, "Dropped by the bus") > 0, PATIENCE);

  for (let kills = 1; kills <= KILLS; kills++) {
    const button = page.getByRole("button", { name: /^Kill chat/, disabled: false }).first();
    await button.focus();
    await page.keyboard.press("Enter");
    await eventually("it has ended", async () => await figure(page, "Isolates ended") >= kills, PATIENCE);
  }
  const before = await figure(page, "Compared");
  await eventually("the talk went on", async () => await figure(page, "Compared") >= before + 10, {
    deadlineMs: 60_000,
  });
  await page.getByRole("button", { name: "Pause" }).click();
  await eventually("all that was sent has its ack, and came to all", async () => {
    const [sent, acknowledged, compared] = await Promise.all(
      ["Sent", "Acknowledged", "Compared"].map((name) => figure(page, name)),
    );
    return sent === acknowledged && compared! > 20;
  }, PATIENCE);
  await page.getByText(/ chat \w+ ended after \d+ s: killed$/).first().waitFor();
  assertEquals(
    await Promise.all(["Lost", "Doubled", "Reordered"].map((name) => figure(page, name))),
    [0, 0, 0],
  );
}

/** The figure beside a name. */
async function figure(page: Page, name: string): Promise<number> {
  const text = await page.locator("#stage dl > div", { hasText: name }).locator("dd").first().textContent();
  return Number(text!.replaceAll(",", ""));
}
