import { assert, assertEquals } from "@std/assert";
import type { Locator, Page } from "playwright-core";
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
  await button(ada.page, "Talk by voice").click();
  await button(ada.page, "Stop the microphone").waitFor();
  const session = await openAi.next();
  const appended = () => session.received.filter(({ type }) => type === "input_audio_buffer.append").length;
  await eventually("the model hears the microphone", () => appended() > 0, PATIENCE);
  await ask(ada.page, "What do you hear?");
  await ada.page.locator("#relay .frames").getByText("response.output_audio.delta").first().waitFor();

  await button(ada.page, "Stop the microphone").click();
  await ask(ada.page, "And now?");
  const before = appended();
  await ask(ada.page, "Still nothing?");
  assertEquals(appended(), before, "nothing is heard once the microphone is off");

  await ada.page.evaluate(HOLD_PROMPT);
  // Two clicks in a row, between which the page is not drawn.
  await press(button(ada.page, "Talk by voice"), 2);
  assertEquals(await ada.page.evaluate("asked"), 1, "one question for two clicks");
  await ada.page.evaluate("answer()");
  await press(button(ada.page, "Stop the microphone"));
  await eventually("the microphone is off", () => ada.page.evaluate<boolean>(IS_OFF), PATIENCE);

  await ada.page.evaluate(HOLD_PROMPT);
  await press(button(ada.page, "Talk by voice"));
  await button(ada.page, "Asking for the microphone").waitFor();
  await press(button(ada.page, "Sign out"));
  await ada.page.locator("#sign-in").waitFor();
  await ada.page.evaluate("answer()");
  await eventually("the microphone is off", () => ada.page.evaluate<boolean>(IS_OFF), PATIENCE);
}

/** From now on the user does not answer the question for the microphone before the test does. */
const HOLD_PROMPT = `
  globalThis.asked = 0;
  globalThis.opened = [];
  const answered = new Promise((resolve) => globalThis.answer = resolve);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    asked++;
    await answered;
    const stream = await MediaDevices.prototype.getUserMedia.call(navigator.mediaDevices, constraints);
    opened.push(...stream.getTracks());
    return stream;
  };
  undefined;
`;
/** Whether the microphone was opened, and is off again. */
const IS_OFF = `opened.length === 1 && opened[0].readyState === "ended"`;

function button(page: Page, name: string): Locator {
  return page.getByRole("button", { name });
}

/** Clicks without a look at the page in between. */
function press(button: Locator, times = 1): Promise<void> {
  return button.evaluate((button: { click(): void }, times) => {
    for (let i = 0; i < times; i++) button.click();
  }, times);
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
