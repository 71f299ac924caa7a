import { assertEquals } from "@std/assert";
import { bundleScript } from "../support/bundle_script.ts";
import { eventually } from "../support/eventually.ts";
import { openBrowser } from "../support/open_browser.ts";
import { requires } from "../support/requires.ts";
import { SCRIPT_PATH, serveScript } from "../support/serve_script.ts";
import { signUp } from "../support/sign_up.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";
import type { Heard, ROUTE_NAMES } from "./relay_realtime_page.ts";

const chromium = requires("chromium");

Deno.test({
  name: `a page hears and is present in Realtime through the relay, by every route, past a kill${chromium.suffix}`,
  ignore: chromium.ignore,
  fn: () => within("the page and its relay", talkThroughRelay(), 90_000),
});

async function talkThroughRelay(): Promise<void> {
  const script = await bundleScript(new URL("relay_realtime_page.ts", import.meta.url));
  await using site = serveScript(script);
  await using local = await startTestLocal({ env: { ALLOWED_ORIGINS: site.url } });
  const { accessToken } = await signUp(local, "ada");
  await using browser = await openBrowser(chromium.path);
  await using opened = await browser.newPage();
  const { page, errors } = opened;
  await page.goto(site.url);
  await page.addScriptTag({ url: SCRIPT_PATH, type: "module" });
  await page.waitForFunction(() => "joinByEveryRoute" in globalThis);

  const place = { url: local.url, key: local.publishableKey, token: accessToken };
  const routes: typeof ROUTE_NAMES = await page.evaluate((place) => globalThis.joinByEveryRoute(place), place);
  assertEquals(await connections(local), routes.length);
  await page.evaluate(() => globalThis.say("hello"));
  await eventually("all hear each other", async () => hasAll(await page.evaluate(() => globalThis.heard()), "hello"));
  await eventually("all see each other", async () => {
    const seen = await page.evaluate(() => globalThis.seen());
    return seen.every((names) => names.join() === [...routes].sort().join());
  });
  assertEquals(errors, []);

  for (const { id } of local.isolates().filter((isolate) => isolate.function === "relay")) local.killIsolate(id);
  await eventually("all have joined again", () => page.evaluate(() => globalThis.haveJoined(2)));
  await page.evaluate(() => globalThis.say("again"));
  await eventually("all hear each other", async () => hasAll(await page.evaluate(() => globalThis.heard()), "again"));
  await page.evaluate(() => globalThis.leave());
}

/** Whether each heard every other say `text`, once. */
function hasAll(heard: Heard[], text: string): boolean {
  return heard.every(({ by, said }) =>
    heard.every((other) => other.by === by || said.filter((one) => one === `${other.by}: ${text}`).length === 1)
  );
}

async function connections(local: TestLocal): Promise<number> {
  return (await (await fetch(`${local.url}/functions/v1/relay/health`)).json()).connections;
}
