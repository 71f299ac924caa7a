import { assert, assertEquals } from "@std/assert";
import { startOpenAiRealtime } from "../relay/openai_realtime_server/start_openai_realtime.ts";
import { silence, speak } from "../relay/openai_realtime_server/speech.ts";
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
  name: `the page talks to the model by voice: the microphone is heard, and the answer played${chromium.suffix}`,
  ignore: chromium.ignore,
  fn: () => within("the talk", talk(), 180_000),
});

async function talk(): Promise<void> {
  const microphone = await Deno.makeTempFile({ suffix: ".wav" });
  await Deno.writeFile(microphone, wav(speak("hello there"), silence(2_000)));
  await using openAi = await startOpenAiRealtime({ apiKey: KEY });
  await using local = await startTestLocal({ env: { OPENAI_API_KEY: KEY, OPENAI_REALTIME_URL: openAi.url } });
  await warmUp(local);
  await using browser = await openBrowser(chromium.path, [
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    `--use-file-for-fake-audio-capture=${microphone}`,
    "--autoplay-policy=no-user-gesture-required",
  ]);
  await using ada = await enter(browser, local, "Ada");
  await goTo(ada.page, "Relay");
  await ada.page.locator("#relay .frames summary").click();
  await ada.page.getByRole("button", { name: "Talk by voice" }).click();
  await ada.page.getByRole("button", { name: "Stop the microphone" }).waitFor();
  const session = await openAi.next();
  await eventually(
    "the model hears the microphone",
    () => session.received.some(({ type }) => type === "input_audio_buffer.append"),
    PATIENCE,
  );
  await ada.page.getByLabel("Message to the model").fill("What do you hear?");
  await ada.page.getByLabel("Message to the model").press("Enter");
  const answer = ada.page.locator("#relay .message:not(.own) .bubble").first();
  await answer.waitFor({ timeout: PATIENCE.deadlineMs });
  assert((await answer.textContent())!.length > 0, "what is spoken is written as well");
  await ada.page.locator("#relay .frames").getByText("response.output_audio.delta").first().waitFor();
  await ada.page.getByRole("button", { name: "Stop the microphone" }).click();
  await ada.page.getByRole("button", { name: "Talk by voice" }).waitFor();
  const heard = session.received.length;
  await ada.page.waitForTimeout(300);
  assertEquals(session.received.length, heard, "nothing is heard once the microphone is off");
  await Deno.remove(microphone);
}

/** A sound file of 16-bit samples at 24 kHz, one channel. */
function wav(...parts: Uint8Array<ArrayBuffer>[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const header = new DataView(new ArrayBuffer(44));
  const text = (at: number, word: string) =>
    [...word].forEach((letter, i) => header.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  header.setUint32(4, 36 + length, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, 1, true);
  header.setUint32(24, 24_000, true);
  header.setUint32(28, 48_000, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  text(36, "data");
  header.setUint32(40, length, true);
  const file = new Uint8Array(44 + length);
  file.set(new Uint8Array(header.buffer));
  let at = 44;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}
