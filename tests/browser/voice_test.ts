import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { startOpenAiRealtime } from "../relay/openai_realtime_server/start_openai_realtime.ts";
import { eventually } from "../support/eventually.ts";
import { openBrowser } from "../support/open_browser.ts";
import { requires } from "../support/requires.ts";
import { startTestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";
import { enter, goTo, warmUp } from "./open_page.ts";

const chromium = requires("chromium");
const KEY = "sk-of-the-server-alone";
const PATIENCE = { deadlineMs: 60_000 };

Deno.test({
  name: `the page talks to the model by voice: the microphone is heard, the answer comes as sound${chromium.suffix}`,
  ignore: chromium.ignore,
  fn: () => within("the talk", talk(), 180_000),
});

async function talk(): Promise<void> {
  await using openAi = await startOpenAiRealtime({ apiKey: KEY });
  await using local = await startTestLocal({ env: { OPENAI_API_KEY: KEY, OPENAI_REALTIME_URL: openAi.url } });
  await warmUp(local);
  await using browser = await openBrowser(chromium.path, [
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
  ]);
  await using ada = await enter(browser, local, "Ada");
  await goTo(ada.page, "Relay");
  await ada.page.locator("#relay .frames summary").click();
  await ada.page.getByRole("button", { name: "Talk by voice" }).click();
  await ada.page.getByRole("button", { name: "Stop the microphone" }).waitFor();
  const session = await openAi.next();
  const appended = () => session.received.filter(({ type }) => type === "input_audio_buffer.append").length;
  await eventually("the model hears the microphone", () => appended() > 0, PATIENCE);
  await ask(ada.page, "What do you hear?");
  await ada.page.locator("#relay .frames").getByText("response.output_audio.delta").first().waitFor();

  await ada.page.getByRole("button", { name: "Stop the microphone" }).click();
  await ask(ada.page, "And now?");
  const before = appended();
  await ask(ada.page, "Still nothing?");
  assertEquals(appended(), before, "nothing is heard once the microphone is off");
}

/** Writes to the model, and waits until it has answered. */
async function ask(page: Page, question: string): Promise<void> {
  const answers = page.locator("#relay .message:not(.own) .bubble");
  const before = await answers.count();
  await page.getByLabel("Message to the model").fill(question);
  await page.getByLabel("Message to the model").press("Enter");
  await answers.nth(before).waitFor({ timeout: PATIENCE.deadlineMs });
  assert((await answers.nth(before).textContent())!.length > 0, "what is spoken is written as well");
}
