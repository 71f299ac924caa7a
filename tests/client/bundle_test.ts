import { assert, assertEquals } from "@std/assert";
import type * as Client from "../../shared/client/mod.ts";
import { bundleScript } from "../support/bundle_script.ts";
import { denoPath, HOSTED_DENO } from "../support/deno_versions.ts";
import { eventually } from "../support/eventually.ts";
import { openBrowser } from "../support/open_browser.ts";
import { requires } from "../support/requires.ts";
import { SCRIPT_PATH, serveScript } from "../support/serve_script.ts";
import { ChatNet, opened, record } from "./chat_net.ts";

const MAX_GZIP_BYTES = 10_000;
const chromium = requires("chromium");

Deno.test("deno task bundle makes one module without zod, of less than 10 KB", async () => {
  const bundle = await buildBundle();
  const gzip = new Blob([bundle]).stream().pipeThrough(new CompressionStream("gzip"));
  const { byteLength } = await new Response(gzip).arrayBuffer();
  assert(byteLength < MAX_GZIP_BYTES, `The bundle has ${byteLength} bytes`);
  assertEquals(/\bimport\b|safeParse|ZodMini/.exec(bundle), null);
  const module = await import(`data:text/javascript,${encodeURIComponent(bundle)}`) as typeof Client;
  assertEquals(module.backoffDelayMs(1, 0.5), 500);
  assertEquals(typeof module.connectChat, "function");
});

Deno.test({
  name:
    `the bundle in a browser: it chats, outlives a kill, and sends after a reload what it could not${chromium.suffix}`,
  ignore: chromium.ignore,
  fn: async () => {
    const bundle = await buildBundle();
    await using site = serveScript(bundle);
    await using net = new ChatNet({ sockets: { allowedOrigins: [site.url] } });
    const bob = await opened(net.client(2, { room: "lobby" }));
    const heard = record(bob);
    await using browser = await openBrowser(chromium.path);
    await using ann = await browser.newPage();
    const { page, errors } = ann;
    await page.goto(site.url);
    await page.evaluate(openChat, { path: SCRIPT_PATH, url: `${net.proxy.url}/chat` });
    await page.evaluate(() => globalThis.chat.send({ body: "from a page" }));
    await bob.send({ body: "to a page" });
    net.boot();
    net.proxy.cut();
    await page.evaluate(() => globalThis.chat.send({ body: "after a kill" }));
    const { target } = net.proxy;
    net.proxy.target = undefined;
    net.proxy.cut();
    await page.evaluate(() => {
      for (const body of ["kept 1", "kept 2"]) globalThis.chat.send({ body });
    });
    await page.reload();
    net.proxy.target = target;
    await page.evaluate(openChat, { path: SCRIPT_PATH, url: `${net.proxy.url}/chat` });
    await page.evaluate(() => globalThis.chat.send({ body: "after a reload" }));
    await eventually("bob has all", () => heard.messages.length >= 6);
    assertEquals(heard.bodies(), [
      "from a page",
      "to a page",
      "after a kill",
      "kept 1",
      "kept 2",
      "after a reload",
    ]);
    assertEquals(await page.evaluate(() => [localStorage.length, globalThis.chat.pending.length]), [0, 0]);
    await page.evaluate(() => globalThis.chat.close());
    assertEquals(errors.filter((error) => !error.includes("WebSocket connection to")), []);
  },
});

Deno.test(`the bundle on Deno ${HOSTED_DENO}, as a function would use it: it chats, and ends`, async () => {
  await using net = new ChatNet();
  const bob = await opened(net.client(2, { room: "lobby" }));
  const heard = record(bob);
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/client.js`, await buildBundle());
    await Deno.writeTextFile(`${folder}/main.js`, CHAT_ONCE);
    const { success, stderr } = await new Deno.Command(await denoPath(HOSTED_DENO), {
      args: ["run", "--quiet", "--no-config", "--allow-net=127.0.0.1", `${folder}/main.js`, `${net.proxy.url}/chat`],
      stdin: "null",
    }).output();
    assert(success, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  await eventually("bob has it", () => heard.messages.length > 0);
  assertEquals(heard.bodies(), ["from a function"]);
});

const CHAT_ONCE = `
import { connectChat } from "./client.js";
const chat = connectChat({ url: Deno.args[0], token: () => "1", room: "lobby" });
await chat.send({ body: "from a function" });
chat.close();
`;

declare global {
  // A `var`, since only that is a property of the global object.
  var chat: Client.Chat;
}

/** Runs in the page. */
async function openChat({ path, url }: { path: string; url: string }): Promise<void> {
  const { connectChat, localStorageOutbox } = await import(path) as typeof Client;
  globalThis.chat = connectChat({ url, token: () => "1", room: "lobby", storage: localStorageOutbox(url, "ann") });
}

function buildBundle(): Promise<string> {
  return bundleScript(new URL("../../shared/client/mod.ts", import.meta.url), { minify: true });
}
