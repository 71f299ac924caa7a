import type { Page } from "playwright-core";
import { enter, warmUp } from "../browser/open_page.ts";
import { eventually } from "../support/eventually.ts";
import { openBrowser } from "../support/open_browser.ts";
import { requires } from "../support/requires.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { startTestLocal } from "../support/start_local.ts";

/** What two pages in a browser showed. */
export interface BrowserReport {
  readonly said: number;
  readonly killed: number;
  /** Of both pages together: how many messages their lists and the database do not have in common, or in another order. */
  readonly different: number;
}

/** Options of `runBrowserChat`. */
export interface BrowserOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** Isolates are killed so often. */
  readonly killEveryMs?: number;
  /** Where a picture of one page goes; none is taken without. */
  readonly screenshot?: string;
  readonly log?: (line: string) => void;
}

/** Two people talk on the local project's page, in Chromium, while every isolate of `chat` is killed again and again. */
export async function runBrowserChat(options: BrowserOptions): Promise<BrowserReport> {
  const { seed, durationMs, killEveryMs = 5_000, screenshot, log = () => {} } = options;
  const random = seededRandom(seed);
  await using local = await startTestLocal({ isolates: 2, realtime: { messagesPerSecond: Infinity } });
  await warmUp(local);
  await using browser = await openBrowser(requires("chromium").path);
  await using ada = await enter(browser, local, "Ada");
  await using grace = await enter(browser, local, "Grace");
  const pages = [ada.page, grace.page];
  const endAt = performance.now() + durationMs;
  let [said, killed, nextKillAt] = [0, 0, performance.now() + killEveryMs];
  while (performance.now() < endAt) {
    await say(pages[Math.floor(random() * pages.length)]!, `message ${++said}`);
    await new Promise((resolve) => setTimeout(resolve, 100 + random() * 600));
    if (performance.now() < nextKillAt) continue;
    nextKillAt += killEveryMs;
    for (const { id } of local.isolates().filter((isolate) => isolate.function === "chat")) {
      local.killIsolate(id);
      killed++;
    }
    log(`${said} messages, ${killed} isolates killed`);
  }
  await eventually("both pages show all of it", async () => {
    const counts = await Promise.all(pages.map((page) => page.locator("#chat .message:not(.pending) .bubble").count()));
    return counts.every((count) => count >= said);
  }, { deadlineMs: 30_000, everyMs: 200 }).catch((error) => log(error.message));
  const rows = await local.sql("select body from messages where room_id = 'lobby' order by seq") as { body: string }[];
  const expected = rows.map(({ body }) => body);
  const shown = await Promise.all(pages.map((page) => page.locator("#chat .bubble").allTextContents()));
  if (screenshot !== undefined) await showEnd(ada.page, screenshot);
  for (const page of [ada, grace]) page.takeErrors(); // Chromium counts a killed isolate as one.
  const different = shown.map((texts) => {
    const length = Math.max(texts.length, expected.length);
    return Array.from({ length }, (_, i) => texts[i] !== expected[i]).filter(Boolean).length;
  });
  return { said, killed, different: different[0]! + different[1]! + Math.abs(expected.length - said) };
}

/** Takes a picture of the end of the talk, once the page has its connection again. */
async function showEnd(page: Page, path: string): Promise<void> {
  await page.locator("#chat[data-state=open]").waitFor({ timeout: 60_000 });
  await page.locator("#chat .message").last().scrollIntoViewIfNeeded();
  await page.screenshot({ path });
}

async function say(page: Page, text: string): Promise<void> {
  await page.locator("#chat-text").fill(text);
  await page.locator("#chat-text").press("Enter");
}
