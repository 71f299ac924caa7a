import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { bundleScript } from "../support/bundle_script.ts";
import { eventually } from "../support/eventually.ts";
import { openBrowser } from "../support/open_browser.ts";
import { requires } from "../support/requires.ts";
import { SCRIPT_PATH, serveScript } from "../support/serve_script.ts";
import { testAuthenticator, userId } from "../support/serve_chat.ts";
import { ChatNet, opened, record } from "../client/chat_net.ts";
import type { Props, Shown } from "./hook_page.ts";

const chromium = requires("chromium");

interface Place {
  readonly page: Page;
  readonly net: ChatNet;
  /** Shows the component, or gives it other properties. */
  show(props?: Partial<Props>): Promise<void>;
  /** Waits until what the hook gives is as it should be. */
  until(what: string, holds: (shown: Shown) => boolean): Promise<Shown>;
  /** How many sockets are open at the isolate. */
  connections(): Promise<number>;
}

Deno.test({
  name: `useMessageWebSocket() under StrictMode, in a browser${chromium.suffix}`,
  ignore: chromium.ignore,
  async fn(t) {
    const script = await bundleScript(new URL("hook_page.ts", import.meta.url));
    await using site = serveScript(script);
    await using browser = await openBrowser(chromium.path);
    for (const [name, run] of Object.entries(STEPS)) {
      await t.step(name, async () => {
        await using net = new ChatNet({
          sockets: { allowedOrigins: [site.url] },
          authenticator: {
            authenticate: (request) => authenticator.verify(new URL(request.url).searchParams.get("jwt") ?? ""),
            verify: (token) => authenticator.verify(token),
          },
        });
        await using opened = await browser.newPage();
        const { page, errors } = opened;
        await page.goto(site.url);
        await page.addScriptTag({ url: SCRIPT_PATH, type: "module" });
        await page.waitForFunction(() => "show" in globalThis);
        await run({
          page,
          net,
          show: (props) =>
            page.evaluate((props) => globalThis.show(props), {
              url: `${net.proxy.url}/chat`,
              token: jwt(1),
              room: "lobby",
              ...props,
            }),
          until: (what, holds) =>
            eventually(what, async () => {
              const shown = await page.evaluate(() => globalThis.hook && globalThis.shown());
              return shown && holds(shown) && shown;
            }),
          connections: async () => (await (await fetch(`${net.isolate.url}/chat/health`)).json()).connections,
        });
        assertEquals(await page.evaluate(() => globalThis.doubled), [], "nothing was shown twice");
        assertEquals(errors.filter((error) => !error.includes("WebSocket connection to")), []);
      });
    }
  },
});

const STEPS: Readonly<Record<string, (place: Place) => Promise<void>>> = {
  async "it leaves one connection, and none when it is gone"({ page, show, until, connections }) {
    await show();
    const { userId: user } = await until("it is open", ({ status }) => status === "open");
    assertEquals(user, userId(1));
    await eventually("one connection", async () => await connections() === 1);
    await page.evaluate(() => globalThis.show());
    await eventually("no connection", async () => await connections() === 0);
    await show();
    await until("it is open again", ({ status }) => status === "open");
    await eventually("one connection", async () => await connections() === 1);
  },

  async "what is sent shows at once, and becomes the stored message in the same element"({ page, net, show, until }) {
    await show();
    await until("it is open", ({ status, present }) => status === "open" && present.length === 1);
    const { target } = net.proxy;
    net.proxy.target = undefined;
    net.proxy.cut();
    await page.evaluate(() => {
      for (const body of ["one", "two"]) globalThis.hook.send(body);
    });
    const waiting = await until("both show", ({ messages }) => messages.length === 2);
    assertEquals(waiting.messages.map(({ state, isOwn }) => [state, isOwn]), [["sending", true], ["sending", true]]);
    const element = await page.locator("li.sending", { hasText: "one" }).elementHandle();
    net.proxy.target = target;
    const { messages } = await until(
      "both are stored",
      ({ messages }) => messages.length === 2 && messages.every(({ state }) => state === "stored"),
    );
    assertEquals(messages.map(({ body }) => body), ["one", "two"]);
    assertEquals(messages.map(({ key }) => key), waiting.messages.map(({ key }) => key));
    assert(await element?.isVisible(), "the element is there still");
    // An ack may come before the event.
    await eventually("both are heard", () => page.evaluate(() => globalThis.bodies.length === 2));
    assertEquals(await page.evaluate(() => globalThis.bodies), ["one", "two"]);
  },

  async "what is refused shows its code, and goes when it is retried or discarded"({ page, net, show, until }) {
    await show({ maxWaiting: 1 });
    await until("it is open", ({ status }) => status === "open");
    const { target } = net.proxy;
    net.proxy.target = undefined;
    net.proxy.cut();
    await page.evaluate(() => {
      for (const body of ["fits", "too many", "far too many"]) globalThis.hook.send(body).catch(() => {});
    });
    const { messages } = await until(
      "two have failed",
      ({ messages }) => messages.filter(({ state }) => state === "failed").length === 2,
    );
    assertEquals(
      await page.evaluate(() => globalThis.hook.messages.map(({ error }) => error?.code)),
      [undefined, "outbox_full", "outbox_full"],
    );
    net.proxy.target = target;
    await until("the first is stored", ({ messages }) => messages[0]?.state === "stored");
    await page.evaluate((keys) => {
      globalThis.hook.retry(keys[1]!);
      globalThis.hook.discard(keys[2]!);
    }, messages.map(({ key }) => key));
    const settled = await until(
      "the second is stored",
      ({ messages }) => messages.length === 2 && messages.every(({ state }) => state === "stored"),
    );
    assertEquals(settled.messages.map(({ body }) => body), ["fits", "too many"]);
    await page.evaluate(() => globalThis.hook.send({ body: "no", subject: "s".repeat(300) }).catch(() => {}));
    const refused = await until("the server refused one", ({ messages }) => messages[2]?.state === "failed");
    assertEquals(refused.messages.length, 3);
    assertEquals(await page.evaluate(() => globalThis.hook.messages[2]?.error?.code), "bad_frame");
  },

  async "another room, another user, nobody: one connection or none"({ page, net, show, until, connections }) {
    await show();
    await until("it is open", ({ status }) => status === "open");
    await page.evaluate(() => globalThis.hook.send("in the lobby"));
    await show({ room: "news" });
    await until(
      "the news are empty",
      ({ status, messages, present }) => status === "open" && messages.length === 0 && present.length === 1,
    );
    await page.evaluate(() => globalThis.hook.send("in the news"));
    await show();
    await until("the lobby is as it was", ({ messages }) => messages.map(({ body }) => body).join() === "in the lobby");
    await eventually("one connection", async () => await connections() === 1);
    await show({ token: jwt(2) });
    const other = await until(
      "it is another user",
      ({ userId: user, messages }) => user === userId(2) && messages.length === 1,
    );
    assertEquals(other.messages[0]?.isOwn, false);
    await eventually("one connection", async () => await connections() === 1);
    await show({ token: null });
    const nobody = await until("nobody", ({ messages }) => messages.length === 0);
    assertEquals(nobody.userId, undefined);
    assertEquals(await page.evaluate(() => globalThis.hook.send("nobody's").catch(({ code }) => code)), "closed");
    await eventually("no connection", async () => await connections() === 0);
    assert(net.proxy.accepted <= 6, "no more connections than there were users and rooms");
  },

  async "what has no ack goes to the next connection of the same user, and to no other user's"(place) {
    const { page, net, show, until } = place;
    const bob = await opened(net.client(3, { room: "lobby", token: () => jwt(3) }));
    const heard = record(bob);
    await show();
    await until("it is open", ({ status }) => status === "open");
    const { target } = net.proxy;
    net.proxy.target = undefined;
    net.proxy.cut();
    await page.evaluate(() => void globalThis.hook.send("to the lobby").catch(() => {}));
    await show({ room: "news" });
    net.proxy.target = target;
    await eventually("it came to the lobby", () => heard.bodies().includes("to the lobby"));
    await until("the news are open", ({ status, messages }) => status === "open" && messages.length === 0);

    net.proxy.target = undefined;
    net.proxy.cut();
    await page.evaluate(() => void globalThis.hook.send("by the first user").catch(() => {}));
    await show({ room: "news", token: jwt(2) });
    net.proxy.target = target;
    await until("the other user is there", ({ userId: user }) => user === userId(2));
    await page.evaluate(() => globalThis.hook.send("by the second user"));
    const { messages } = await until("he wrote", ({ messages }) => messages.length > 0);
    assertEquals(messages.map(({ body }) => body), ["by the second user"]);
  },

  async "a new token of the same user goes on with the connection there is"({ page, net, show, until }) {
    await show();
    await until("it is open", ({ status }) => status === "open");
    const accepted = net.proxy.accepted;
    const refreshed = page.evaluate(() =>
      new Promise<string>((resolve) => globalThis.hook.chat!.on("refreshed", ({ type }) => resolve(type)))
    );
    await show({ token: jwt(1, "later") });
    assertEquals(await refreshed, "refreshed");
    assertEquals(net.proxy.accepted, accepted);
  },

  async "unread messages are counted until they are read, and the others see it"({ page, net, show, until }) {
    const bob = await opened(net.client(2, { room: "lobby", token: () => jwt(2) }));
    await bob.send({ body: "before" });
    await show();
    await until(
      "nothing is unread of what was before",
      ({ unreadCount, messages }) => unreadCount === 0 && messages.length === 1,
    );
    for (const body of ["one", "two"]) await bob.send({ body });
    await until("two are unread", ({ unreadCount }) => unreadCount === 2);
    await page.evaluate(() => globalThis.hook.send("mine"));
    await until("one's own is not", ({ messages, unreadCount }) => messages.length === 4 && unreadCount === 2);
    assertEquals(await page.evaluate(() => globalThis.hook.getUnreadCount()), 2);
    await page.evaluate(() => globalThis.hook.markAsRead());
    await until(
      "none is unread",
      ({ unreadCount, messages }) => unreadCount === 0 && messages.slice(1, 3).every(({ is_read }) => is_read),
    );
    const { messages } = await bob.history();
    await bob.markRead(messages.at(-1)!.id);
    const read = await until("bob has read mine", ({ messages }) => messages[3]!.is_read);
    assertEquals(read.messages[3]!.readers, [userId(2)]);
  },

  async "presence, typing, edits, reactions and deletions show"({ page, net, show, until }) {
    await show();
    const bob = await opened(net.client(2, { room: "lobby", token: () => jwt(2) }));
    await until("bob is there", ({ present }) => present.length === 2);
    bob.typing();
    await until("bob writes", ({ typing }) => typing[0]?.user_id === userId(2));
    const { id } = await bob.send({ body: "helo" });
    await until("bob has written", ({ typing, messages }) => typing.length === 0 && messages.length === 1);
    await bob.edit(id, "hello");
    await until("it is edited", ({ messages: [message] }) => message?.body === "hello" && !!message.edited_at);
    await page.evaluate((id) => globalThis.hook.react(id, "👍"), id);
    await until("it is liked", ({ messages }) => messages[0]?.reactions?.["👍"]?.[0] === userId(1));
    await page.evaluate((id) => globalThis.hook.react(id, "👍"), id);
    await until("and no longer", ({ messages }) => Object.keys(messages[0]?.reactions ?? {}).length === 0);
    const own = await page.evaluate(async () => (await globalThis.hook.send("mine")).id);
    await page.evaluate((id) => globalThis.hook.edit(id, "my own"), own);
    await until("one's own is edited", ({ messages }) => messages[1]?.body === "my own");
    await page.evaluate((id) => globalThis.hook.remove(id), own);
    await until("and deleted", ({ messages }) => messages[1]?.deleted_at !== undefined);
    bob.close();
    await until("bob is gone", ({ present }) => present.length === 1);
  },

  async "older messages come page by page, each once"({ page, net, show, until }) {
    const bob = await opened(net.client(2, { room: "lobby", token: () => jwt(2) }));
    for (let i = 1; i <= 7; i++) await bob.send({ body: `message ${i}` });
    await show({ pageSize: 3 });
    await until("the newest", ({ messages, hasOlder }) => messages.length === 3 && hasOlder);
    await page.evaluate(() => Promise.all([globalThis.hook.loadOlder(), globalThis.hook.loadOlder()]));
    await until("older ones", ({ messages, hasOlder }) => messages.length === 6 && hasOlder);
    await bob.send({ body: "message 8" });
    await page.evaluate(() => globalThis.hook.loadOlder());
    const { messages } = await until("all", ({ messages, hasOlder }) => messages.length === 8 && !hasOlder);
    assertEquals(messages.map(({ body }) => body), Array.from({ length: 8 }, (_, i) => `message ${i + 1}`));
  },

  async "without a room it is the inbox"({ page, net, until }) {
    const bob = await opened(net.client(2, { room: "lobby", token: () => jwt(2) }));
    await page.evaluate((props) => globalThis.show(props), { url: `${net.proxy.url}/chat`, token: jwt(1) });
    await until("it is open", ({ status, unreadCount }) => status === "open" && unreadCount === 0);
    await bob.dm({ to: userId(1), body: "just for you" });
    await until("it came", ({ messages, unreadCount }) => messages[0]?.body === "just for you" && unreadCount === 1);
    await page.evaluate((to) => globalThis.hook.dm(to, "and back"), userId(2));
    const { messages } = await until("it went", ({ messages }) => messages[1]?.state === "stored");
    assertEquals(messages[1]!.room, messages[0]!.room);
  },
};

/** Takes tokens in the form of a JWT, whose `sub` is the number of a user. */
const authenticator: Pick<typeof testAuthenticator, "verify"> = {
  verify: (token) => testAuthenticator.verify(JSON.parse(atob(token.split(".")[1] ?? "")).sub),
};

function jwt(user: number, serial = "first"): string {
  return ["{}", JSON.stringify({ sub: String(user) }), serial].map(btoa).join(".");
}
