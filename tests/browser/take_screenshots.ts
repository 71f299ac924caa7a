/**
 * Takes the pictures of docs/screenshots: the page of the local project in light, dark and on a phone, and the stage while
 * isolates are killed.
 *
 * ```
 * deno run -A tests/browser/take_screenshots.ts [FOLDER]
 * ```
 */
import type { BrowserContextOptions, Page } from "playwright-core";
import { eventually } from "../support/eventually.ts";
import { openBrowser } from "../support/open_browser.ts";
import { requires } from "../support/requires.ts";
import { startTestLocal } from "../support/start_local.ts";
import { enter, goTo, warmUp } from "./open_page.ts";

const FRAMES = 8;
const FRAME_EVERY_MS = 2_000;
const PATIENCE = { deadlineMs: 120_000, everyMs: 200 };
const WIDE = { viewport: { width: 1280, height: 760 } };
const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

const folder = Deno.args[0] ?? new URL("../../docs/screenshots", import.meta.url).pathname;
await using local = await startTestLocal({ isolates: 2, realtime: { messagesPerSecond: Infinity } });
await warmUp(local);
await using browser = await openBrowser(requires("chromium").path);
await takeChat();
await takeStage();
await takeKills();

async function takeChat(): Promise<void> {
  const path = "/?room=lobby";
  await using ada = await enter(browser, local, "Ada", { ...WIDE, path });
  await using grace = await enter(browser, local, "Grace", { ...WIDE, path, colorScheme: "dark" });
  await using linus = await enter(browser, local, "Linus", { ...PHONE, path });
  const pages = { Ada: ada.page, Grace: grace.page, Linus: linus.page };
  await say(pages.Ada, "Hello! Is anybody here?", pages.Grace);
  await say(pages.Grace, "Yes: and mine ends in two minutes.", pages.Ada);
  await say(pages.Ada, "Then we shall see whether anything gets lost.", pages.Linus);
  await say(pages.Linus, "Nothing so far. I came by phone, in the middle of a hand-over.", pages.Grace);
  await react(pages.Grace, "Nothing so far", "🎉");
  await pages.Ada.getByRole("button", { name: "🎉 1" }).click();
  await pages.Ada.getByRole("button", { name: "🎉 2" }).waitFor();
  await say(pages.Grace, "The other isolate has you now.", pages.Ada);
  await take(pages.Linus, "page-phone");

  await pages.Linus.locator(".people").getByRole("button", { name: "Ada" }).click();
  await pages.Linus.getByRole("heading", { name: "Ada" }).waitFor();
  await say(pages.Linus, "Psst: are you the Ada?");
  await say(pages.Linus, "The one with the engine?");
  await pages.Ada.getByRole("navigation", { name: "Rooms" }).getByText("2").waitFor();
  await pages.Grace.locator("#chat-text").pressSequentially("By the way");
  await pages.Ada.getByText("Grace is typing…").waitFor();
  await take(pages.Ada, "page-light");
  await pages.Grace.locator(".message", { hasText: "Then we shall see" }).hover();
  await pages.Grace.locator(".message", { hasText: "Then we shall see" }).getByRole("button").first().click();
  await pages.Grace.locator("#chat .frames summary").click();
  await take(pages.Grace, "page-dark");

  await goTo(pages.Ada, "Echo");
  await pages.Ada.getByLabel("Text to echo").fill("Hello, isolate");
  await pages.Ada.getByLabel("Text to echo").press("Enter");
  await pages.Ada.getByRole("button", { name: "Ping five" }).click();
  await pages.Ada.getByRole("img", { name: /^1\d\d round trips/ }).waitFor({ timeout: 60_000 });
  await take(pages.Ada, "echo");
  await goTo(pages.Ada, "Relay");
  await pages.Ada.getByLabel("Message to the model").fill("Hello, who are you?");
  await pages.Ada.getByLabel("Message to the model").press("Enter");
  await pages.Ada.locator("#relay .message:not(.own)").waitFor();
  await take(pages.Ada, "relay");
}

async function takeStage(): Promise<void> {
  for (
    const [name, options] of Object.entries<BrowserContextOptions>({
      "stage-dark": { ...WIDE, colorScheme: "dark" },
      "stage-phone": PHONE,
    })
  ) {
    await using page = await openStage(options);
    await take(page.page, name);
  }
}

/** Frames of a talk during which isolates die and the bus drops half. */
async function takeKills(): Promise<void> {
  await using opened = await openStage(WIDE);
  const { page } = opened;
  await take(page, "stage-light");
  await page.getByLabel("Half").check();
  await page.getByRole("button", { name: "Kill one every" }).click();
  for (let frame = 1; frame <= FRAMES; frame++) {
    await new Promise((resolve) => setTimeout(resolve, FRAME_EVERY_MS));
    await take(page, `stage-kills-${frame}`);
  }
}

async function openStage(options: BrowserContextOptions) {
  const opened = await browser.newPage(options);
  await opened.page.goto(`${local.url}/#stage`);
  const compared = opened.page.locator("dl > div", { hasText: "Compared" }).locator("dd");
  await eventually("messages were compared", async () => Number(await compared.textContent()) > 15, PATIENCE);
  return opened;
}

/** Says something, and waits until somebody else has read it. */
async function say(page: Page, text: string, heardBy?: Page): Promise<void> {
  await page.locator("#chat-text").fill(text);
  await page.locator("#chat-text").press("Enter");
  await page.locator(".message:not(.pending)", { hasText: text }).waitFor();
  await heardBy?.locator(".message", { hasText: text }).waitFor();
}

async function react(page: Page, text: string, emoji: string): Promise<void> {
  const message = page.locator(".message", { hasText: text });
  await message.getByRole("button", { name: /^Actions/ }).click();
  await message.getByRole("button", { name: `React with ${emoji}` }).click();
}

async function take(page: Page, name: string): Promise<void> {
  // What fades has faded.
  await page.waitForTimeout(400);
  await page.screenshot({ path: `${folder}/${name}.png` });
}
