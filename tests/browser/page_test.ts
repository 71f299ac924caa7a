import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import axe from "axe-core";
import type { Locator, Page } from "playwright-core";
import { eventually } from "../support/eventually.ts";
import { openBrowser, type TestBrowser } from "../support/open_browser.ts";
import { requires } from "../support/requires.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";
import { enter, goTo, openPage, warmUp } from "./open_page.ts";

const chromium = requires("chromium");
/** Of a busy machine's time most belongs to others. */
const STEP_DEADLINE_MS = 120_000;

interface Place {
  readonly browser: TestBrowser;
  readonly local: TestLocal;
}

Deno.test({
  name: `the page at /${chromium.suffix}`,
  ignore: chromium.ignore,
  async fn(t) {
    await using local = await startTestLocal();
    await warmUp(local);
    await using browser = await openBrowser(chromium.path);
    for (const [name, run] of Object.entries(STEPS)) {
      await t.step(name, () => within(name, run({ browser, local }), STEP_DEADLINE_MS));
    }
  },
});

const STEPS: Readonly<Record<string, (place: Place) => Promise<void>>> = {
  async "two people meet in a room: each sees the other, what the other says, and that the other types"(place) {
    const { browser, local } = place;
    await using ada = await enter(browser, local, "Ada", { path: "/?room=two" });
    await using grace = await enter(browser, local, "Grace", { path: "/?room=two" });
    for (const { page } of [ada, grace]) {
      await page.locator("#chat .people", { hasText: "Ada" }).and(page.locator(".people", { hasText: "Grace" }))
        .waitFor();
    }
    await say(ada.page, "Hello, Grace!");
    await bubble(grace.page, "Ada", "Hello, Grace!").waitFor();
    // It shows for a few seconds: who looks only once all is typed may come too late.
    await Promise.all([
      ada.page.getByText("Grace is typing…").waitFor(),
      grace.page.locator("#chat-text").pressSequentially("<b>He"),
    ]);
    await say(grace.page, "<b>Hello</b> & goodbye");
    await bubble(ada.page, "Grace", "<b>Hello</b> & goodbye").waitFor();
    await bubble(grace.page, "Grace", "<b>Hello</b> & goodbye").waitFor();
    await ada.page.getByText("Grace is typing…").waitFor({ state: "detached" });
    await grace[Symbol.asyncDispose]();
    await ada.page.locator("#chat .people", { hasText: "Grace" }).waitFor({ state: "detached" });
  },

  async "a message is shown once, and is there for who comes later, in this room only"({ browser, local }) {
    await using ada = await enter(browser, local, "Ada", { path: "/?room=later" });
    for (const text of ["one", "two", "three"]) await say(ada.page, text);
    await using grace = await enter(browser, local, "Grace", { path: "/?room=later" });
    for (const { page } of [ada, grace]) {
      await bubble(page, "Ada", "three").waitFor();
      await page.locator("#chat .pending").waitFor({ state: "detached" });
      assertEquals(await page.locator("#chat .bubble").allTextContents(), ["one", "two", "three"]);
    }
    await openRoom(grace.page, "elsewhere");
    await say(grace.page, "Anybody here?");
    await bubble(grace.page, "Grace", "Anybody here?").waitFor();
    assertEquals(await grace.page.locator("#chat .bubble").allTextContents(), ["Anybody here?"]);
    assertEquals(new URL(grace.page.url()).searchParams.get("room"), "elsewhere");
  },

  async "who writes elsewhere, or to one alone, leaves a badge until it is read"({ browser, local }) {
    await using ada = await enter(browser, local, "Ada", { path: "/?room=badges" });
    await using grace = await enter(browser, local, "Grace", { path: "/?room=badges" });
    await openRoom(ada.page, "away");
    await say(grace.page, "Anybody?");
    const room = roomButton(ada.page, "badges");
    await room.getByText("1").waitFor();
    await room.click();
    await bubble(ada.page, "Grace", "Anybody?").waitFor();
    await room.locator(".badge").waitFor({ state: "detached" });
    await grace.page.getByText("read by Ada").waitFor();

    await grace.page.locator(".people").getByRole("button", { name: "Ada" }).click();
    await grace.page.getByRole("heading", { name: "Ada" }).waitFor();
    await say(grace.page, "Just for you");
    const direct = roomButton(ada.page, "Grace");
    await direct.getByText("1").waitFor();
    await direct.click();
    await bubble(ada.page, "Grace", "Just for you").waitFor();
    await say(ada.page, "Thank you");
    await bubble(grace.page, "Ada", "Thank you").waitFor();
  },

  async "a message can be reacted to, edited and deleted, and all see it"({ browser, local }) {
    await using ada = await enter(browser, local, "Ada", { path: "/?room=changes" });
    await using grace = await enter(browser, local, "Grace", { path: "/?room=changes" });
    await say(ada.page, "helo");
    await actOn(grace.page, "helo", "React with 🎉");
    await ada.page.getByRole("button", { name: "🎉 1", pressed: false }).click();
    await grace.page.getByRole("button", { name: "🎉 2", pressed: true }).click();
    await ada.page.getByRole("button", { name: "🎉 1", pressed: true }).waitFor();
    await actOn(ada.page, "helo", "Edit");
    await ada.page.keyboard.press("ControlOrMeta+A");
    await ada.page.keyboard.type("hello");
    await ada.page.keyboard.press("Enter");
    await bubble(grace.page, "Ada", "hello").waitFor();
    await grace.page.locator(".note", { hasText: "edited" }).waitFor();
    await actOn(ada.page, "hello", "Delete");
    await bubble(grace.page, "Ada", "Deleted").waitFor();
    assertEquals(await actions(grace.page, "Deleted").count(), 0);
  },

  async "after a reload the room is there still; older messages come as the reader scrolls up, and move nothing"(
    { browser, local },
  ) {
    await using ada = await enter(browser, local, "Ada", { path: "/?room=long" });
    await ada.page.getByText("Ada (you)").waitFor();
    await local.sql(`insert into messages (room_id, sender_id, sender_name, body)
      select 'long', gen_random_uuid(), 'Grace', 'message ' || n from generate_series(1, 130) n order by n`);
    await bubble(ada.page, "Grace", "message 130").waitFor();
    await ada.page.reload();
    await bubble(ada.page, "Grace", "message 130").waitFor();
    const list = ada.page.locator("#chat .messages");
    await eventually("it begins at the end", () => isAtEnd(list));
    assertEquals(await bubble(ada.page, "Grace", "message 50").count(), 0);
    await scrollTo(list, 0);
    await bubble(ada.page, "Grace", "message 50").waitFor();
    const [first, whole] = await Promise.all([
      bubble(ada.page, "Grace", "message 81").boundingBox(),
      list.boundingBox(),
    ]);
    assert(Math.abs(first!.y - whole!.y) < 120, "what was first on the screen still is");
    await scrollTo(list, 0);
    await bubble(ada.page, "Grace", "message 1").waitFor();
    const bodies = await ada.page.locator("#chat .bubble").allTextContents();
    assertEquals(bodies, Array.from({ length: 130 }, (_, i) => `message ${i + 1}`));
    // It may say how many are new, as what was in sight for a moment alone is not read.
    await ada.page.locator(".to-end").click();
    await eventually("it is at the end again", () => isAtEnd(list));
    await ada.page.setViewportSize({ width: 1280, height: 500 });
    await eventually("the end stays in sight as the list becomes smaller", () => isAtEnd(list));
  },

  async "a reader who waits at the start while the first page loads gets the next as well, in order"(
    { browser, local },
  ) {
    await using ada = await enter(browser, local, "Ada", { path: "/?room=waits" });
    await ada.page.getByText("Ada (you)").waitFor();
    const write = (from: number, to: number) =>
      local.sql(`insert into messages (room_id, sender_id, sender_name, body)
        select 'waits', gen_random_uuid(), 'Grace', 'message ' || n from generate_series(${from}, ${to}) n order by n`);
    await write(1, 70);
    const history = await holdHistory(ada.page);
    await ada.page.reload();
    await history.asked;
    await write(71, 130);
    await bubble(ada.page, "Grace", "message 130").waitFor();
    await scrollTo(ada.page.locator("#chat .messages"), 0);
    await ada.page.locator(".to-end").waitFor();
    history.release();
    await bubble(ada.page, "Grace", "message 21").waitFor();
    const bodies = await ada.page.locator("#chat .bubble").allTextContents();
    assertEquals(bodies, Array.from({ length: 110 }, (_, i) => `message ${i + 21}`));
  },

  async "echo sends text and bytes back as they were, shows its frames without a token, and says why one is refused"(
    { browser, local },
  ) {
    await using ada = await enter(browser, local, "Ada");
    await goTo(ada.page, "Echo");
    const pane = ada.page.locator("#echo");
    await ada.page.getByLabel("Text to echo").fill("Grüße, 世界");
    await pane.getByRole("button", { name: "Send", exact: true }).click();
    await pane.locator(".message", { hasText: "Grüße, 世界" }).getByText(/came back unchanged in [\d.]+ ms/).waitFor();
    await pane.getByRole("button", { name: "Send 64 KiB" }).click();
    await pane.locator(".message", { hasText: "65,536 random bytes" }).getByText(/came back unchanged/).waitFor();
    const isolate = await pane.locator(".facts code").getAttribute("title");
    assert(local.isolates().length > 0);
    assert(isolate !== null && isolate.length > 8, "the isolate has an id");
    assertStringIncludes(await pane.locator(".facts").innerText(), "left");
    const frames = ada.page.locator("#echo .frames");
    assert(!await frames.locator("ol").isVisible());
    await frames.locator("summary").click();
    await frames.getByText(`"type":"connection"`).waitFor();
    // After that, as the log of frames is bounded.
    await pane.getByRole("button", { name: "Ping five times a second" }).click();
    await pane.getByRole("img", { name: /^[1-9]\d+ round trips: median [\d.]+ ms/ }).waitFor();
    await pane.getByRole("button", { name: "Stop pinging" }).click();
    const token = `eyJhbGciOiJFUzI1NiJ9.${"eyJzdWIiOiIxIn0"}.c2lnbmF0dXJl`;
    await ada.page.getByLabel("Text to echo").fill(JSON.stringify({ type: "refresh", jwt: token }));
    await ada.page.getByLabel("Text to echo").press("Enter");
    await frames.getByText(`{"type":"refresh","jwt":"(token)"}`).first().waitFor();
    const logged = await ada.page.locator(".frames").allTextContents();
    assert(!logged.some((text) => text.includes("eyJ")), "no token in any log");

    await ada.page.getByLabel("Connect as").selectOption("broken");
    await pane.getByRole("alert").getByText("4401 unauthorized").waitFor();
    await ada.page.locator("#echo[data-state=stopped]").waitFor();
    assert(await pane.getByRole("button", { name: "Send", exact: true }).isDisabled());
    await ada.page.getByLabel("Connect as").selectOption("nobody");
    await ada.page.locator("#echo[data-state=open]").waitFor();
    assertEquals(await pane.getByRole("alert").textContent(), "");
  },

  async "relay holds a conversation with the model"({ browser, local }) {
    await using ada = await enter(browser, local, "Ada");
    await goTo(ada.page, "Relay");
    const answers = ada.page.locator("#relay .message:not(.own) .bubble");
    await ada.page.getByLabel("Message to the model").fill("Hello there");
    await ada.page.getByLabel("Message to the model").press("Enter");
    await answers.getByText("Hello! I am a stand-in for OpenAI").waitFor();
    await ada.page.getByLabel("Message to the model").fill("Who are you?");
    await ada.page.getByLabel("Message to the model").press("Enter");
    await answers.getByText("A stand-in: set OPENAI_API_KEY").waitFor();
    assertEquals(await answers.count(), 2);
  },

  async "the main path needs no mouse: sign up, chat, echo, sign out, and back in"({ browser, local }) {
    await using ada = await openPage(browser, local, { path: "/?room=keys" });
    const { page } = ada;
    const { keyboard } = page;
    const email = `${crypto.randomUUID()}@example.com`;
    for (const [id, text] of [["name", "Ada"], ["email", email], ["password", "correct horse"]] as const) {
      await tabTo(page, id);
      await keyboard.type(text);
    }
    await keyboard.press("Enter");
    await page.locator("#chat[data-state=open]").waitFor();
    await keyboard.type("By keyboard");
    await keyboard.press("Enter");
    await bubble(page, "Ada", "By keyboard").waitFor();
    await tabTo(page, "#echo");
    await keyboard.press("Enter");
    await page.locator("#echo[data-state=open]").waitFor();
    await tabTo(page, "echo-text");
    await keyboard.type("ping");
    await keyboard.press("Enter");
    await page.locator("#echo").getByText("came back unchanged").waitFor();
    await tabTo(page, "sign-out");
    await keyboard.press("Enter");
    await page.locator("#sign-in").waitFor();
    await tabTo(page, "switch");
    await keyboard.press("Enter");
    await keyboard.type(email);
    await keyboard.press("Tab");
    await keyboard.type("wrong horse");
    await keyboard.press("Enter");
    await page.locator("#sign-in").getByRole("alert").getByText(/invalid/i).waitFor();
    assertEquals(ada.takeErrors(), [
      "Failed to load resource: the server responded with a status of 400 (Bad Request)",
    ]);
    await keyboard.press("ControlOrMeta+A");
    await keyboard.type("correct horse");
    await keyboard.press("Enter");
    await page.locator("#chat[data-state=open]").waitFor();
  },

  async "axe finds nothing, in light and dark, on a phone and beside an error"({ browser, local }) {
    for (const colorScheme of ["light", "dark"] as const) {
      await using opened = await openPage(browser, local, { colorScheme });
      assertEquals(await axeFindings(opened.page), [], `first page, ${colorScheme}`);
      await using ada = await enter(browser, local, "Ada", {
        path: `/?room=axe-${colorScheme}`,
        colorScheme,
        ...(colorScheme === "dark" && { viewport: { width: 390, height: 844 } }),
      });
      await say(ada.page, "Hello");
      await bubble(ada.page, "Ada", "Hello").waitFor();
      await ada.page.getByRole("button", { name: /^Actions for the message/ }).click();
      await ada.page.getByRole("button", { name: "React with 👍" }).click();
      await ada.page.getByRole("button", { name: "👍 1" }).waitFor();
      await ada.page.getByRole("button", { name: /^Actions for the message/ }).click();
      await ada.page.locator("#chat .frames summary").click();
      assertEquals(await axeFindings(ada.page), [], `chat, ${colorScheme}`);
      await goTo(ada.page, "Relay");
      await ada.page.getByLabel("Message to the model").fill("Hello");
      await ada.page.getByLabel("Message to the model").press("Enter");
      await ada.page.locator("#relay .message:not(.own)").waitFor();
      assertEquals(await axeFindings(ada.page), [], `relay, ${colorScheme}`);
      await goTo(ada.page, "Echo");
      await ada.page.getByLabel("Connect as").selectOption("broken");
      await ada.page.locator("#echo[data-state=stopped]").waitFor();
      assertEquals(await axeFindings(ada.page), [], `echo, ${colorScheme}`);
      await goTo(ada.page, "Stage");
      await ada.page.getByRole("button", { name: /^Kill chat/ }).first().waitFor();
      assertEquals(await axeFindings(ada.page), [], `stage, ${colorScheme}`);
    }
  },

  async "nothing is wider than a phone"({ browser, local }) {
    await using ada = await enter(browser, local, "Ada", { viewport: { width: 320, height: 640 } });
    await say(ada.page, "w".repeat(300));
    await bubble(ada.page, "Ada", "w".repeat(300)).waitFor();
    for (const view of ["Echo", "Relay", "Stage", "Chat"] as const) {
      await goTo(ada.page, view);
      assertEquals(await ada.page.evaluate("document.documentElement.scrollWidth"), 320, view);
    }
  },

  async "all of it is six requests of less than 180 KB, gzipped"({ browser, local }) {
    await using opened = await browser.newPage();
    const bodies: Promise<Uint8Array>[] = [];
    opened.page.on("response", (response) => bodies.push(response.body()));
    await opened.page.goto(local.url, { waitUntil: "networkidle" });
    await opened.page.locator("#sign-in").waitFor();
    // The browser asks for the icon in its own time.
    await eventually("all of it is here", () => bodies.length >= 6);
    const sizes = await Promise.all(bodies.map(async (body) => await gzipBytes(await body)));
    assertEquals(sizes.length, 6, "page, style, script, settings, and its icon twice");
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert(total < 180_000, `The page has ${total} bytes`);
  },

  async "a page of a foreign origin is refused, and learns why"({ browser, local }) {
    await using foreign = servePlainPage();
    await using opened = await browser.newPage();
    await opened.page.goto(foreign.url);
    const outcome = await opened.page.evaluate(`new Promise((resolve) => {
      const frames = [];
      const socket = new WebSocket("${local.socketUrl("echo")}");
      socket.onmessage = ({ data }) => frames.push(JSON.parse(data).code);
      socket.onclose = ({ code }) => resolve({ code, frames });
    })`);
    assertEquals(outcome, { code: 4403, frames: ["origin_forbidden"] });
  },
};

async function openRoom(page: Page, room: string): Promise<void> {
  await page.getByLabel("Room", { exact: true }).fill(room);
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("heading", { name: `# ${room}` }).waitFor();
}

/** What a page's types say of an element; those of Deno do not. */
interface Scrolled {
  scrollTop: number;
  readonly clientHeight: number;
  readonly scrollHeight: number;
}

async function scrollTo(list: Locator, top: number): Promise<void> {
  await list.evaluate((element, top) => {
    (element as unknown as Scrolled).scrollTop = top;
  }, top);
}

/** From the next load of the page on, no answer with history reaches it before `release`; `asked` is when it asks. */
async function holdHistory(page: Page): Promise<{ asked: Promise<void>; release: () => void }> {
  const asked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  await page.routeWebSocket(/\/functions\/v1\/chat/, (client) => {
    const server = client.connectToServer();
    client.onMessage((frame) => {
      if (String(frame).includes(`"type":"history"`)) asked.resolve();
      server.send(frame);
    });
    server.onMessage((frame) => {
      const isHistory = String(frame).startsWith(`{"type":"history"`);
      if (isHistory) void released.promise.then(() => client.send(frame));
      else client.send(frame);
    });
  });
  return { asked: asked.promise, release: released.resolve };
}

/** The entry of a room, or of a conversation of two, in the list of rooms. */
function roomButton(page: Page, name: string) {
  return page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name });
}

function actions(page: Page, text: string) {
  return page.locator("#chat .message", { hasText: text }).getByRole("button", { name: /^Actions for the message/ });
}

async function actOn(page: Page, text: string, action: string): Promise<void> {
  await actions(page, text).click();
  await page.getByRole("button", { name: action }).click();
}

async function isAtEnd(list: Locator): Promise<boolean> {
  return await list.evaluate((element) => {
    const { scrollTop, clientHeight, scrollHeight } = element as unknown as Scrolled;
    return scrollTop + clientHeight >= scrollHeight - 2;
  });
}

async function say(page: Page, text: string): Promise<void> {
  await page.locator("#chat-text").fill(text);
  await page.locator("#chat-text").press("Enter");
}

/** A message of the chat that has come back from the server. */
function bubble(page: Page, name: string, text: string) {
  return page.locator("#chat .message:not(.pending):not(.failed)", { hasText: name })
    .locator(".bubble").getByText(text, { exact: true });
}

/** Presses Tab until the focus is on the element with this id, or the link with this address. */
async function tabTo(page: Page, target: string): Promise<void> {
  for (let presses = 0; presses < 40; presses++) {
    const focus = "document.activeElement?.id || document.activeElement?.getAttribute('href')";
    if (await page.evaluate(focus) === target) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Cannot reach ${target} by the Tab key`);
}

/** What axe has to say against the page as it is, one line for each element. */
async function axeFindings(page: Page): Promise<string[]> {
  // Motion is off, so that no colour is measured half way through a transition.
  await page.emulateMedia({ reducedMotion: "reduce" });
  if (!await page.evaluate("'axe' in globalThis")) await page.evaluate(axe.source);
  const { violations } = await page.evaluate("axe.run()") as axe.AxeResults;
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`)
  );
}

async function gzipBytes(bytes: Uint8Array): Promise<number> {
  const stream = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new CompressionStream("gzip"));
  return (await new Response(stream).arrayBuffer()).byteLength;
}

function servePlainPage(): { url: string } & AsyncDisposable {
  const html = () =>
    new Response("<!DOCTYPE html><title>Elsewhere</title>", { headers: { "content-type": "text/html" } });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, html);
  return { url: `http://127.0.0.1:${server.addr.port}/`, [Symbol.asyncDispose]: () => server.shutdown() };
}
