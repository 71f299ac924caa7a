import { assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { eventually } from "../support/eventually.ts";
import { signUp } from "../support/sign_up.ts";
import { startTestLocal } from "../support/start_local.ts";

interface AppMessage {
  readonly id: string;
  readonly sender: { readonly id: string; readonly name?: string };
  readonly subject?: string;
  readonly body: string;
  is_read: boolean;
  read_at: string | null;
  readonly created_at: string;
}

/**
 * The front end of a community app whose sockets were served by Django Channels: it knows `?token=`, `community_id`, and the
 * frames `connection`, `new_message`, `message_read`, `unread_count` and `pong`, and nothing else of this project.
 */
class CommunityApp {
  isConnected = false;
  userId = "";
  communityId = "";
  unreadCount = 0;
  pongs = 0;
  messages: AppMessage[] = [];
  readonly #socket: WebSocket;
  readonly #pings: ReturnType<typeof setInterval>;

  constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = ({ data }) => this.#handle(JSON.parse(data));
    this.#pings = setInterval(() => this.#socket.send(JSON.stringify({ type: "ping" })), 30_000);
  }

  send(frame: Record<string, unknown>): void {
    this.#socket.send(JSON.stringify(frame));
  }

  markAsRead(messageId: string): void {
    this.send({ type: "mark_read", message_id: messageId });
  }

  askUnreadCount(communityId?: string): void {
    this.send({ type: "get_unread_count", ...(communityId && { community_id: communityId }) });
  }

  async close(): Promise<void> {
    clearInterval(this.#pings);
    const closed = new Promise((resolve) => this.#socket.onclose = resolve);
    this.#socket.close();
    await closed;
  }

  #handle(frame: Record<string, unknown>): void {
    switch (frame.type) {
      case "connection":
        this.isConnected = frame.message === "connected";
        this.userId = frame.user_id as string;
        this.communityId = frame.community_id as string;
        return;
      case "new_message":
        this.messages.push(frame.message as AppMessage);
        return;
      case "message_read": {
        const read = this.messages.find(({ id }) => id === frame.message_id);
        if (read !== undefined) Object.assign(read, { is_read: true, read_at: frame.read_at });
        return;
      }
      case "unread_count":
        this.unreadCount = frame.count as number;
        return;
      case "pong":
        this.pongs++;
    }
  }
}

Deno.test("the front end of a Django Channels message app works unchanged against ?token=", async () => {
  await using local = await startTestLocal();
  const [ann, bob] = [await signUp(local, "ann"), await signUp(local, "bob")];
  const community = `community-${crypto.randomUUID()}`;
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval"] });
  try {
    const open = (token: string) => new CommunityApp(local.socketUrl(`chat?community=${community}&token=${token}`));
    const [annApp, bobApp] = [open(ann.accessToken), open(bob.accessToken)];
    await eventually("both are connected", () => annApp.isConnected && bobApp.isConnected);
    assertEquals([annApp.userId, annApp.communityId], [ann.userId, community]);

    annApp.send({ type: "chat", subject: "Hello", body: "first" });
    annApp.send({ type: "chat", body: "second" });
    await eventually("bob has both", () => bobApp.messages.length === 2);
    assertEquals(
      bobApp.messages.map(({ sender, subject, body, is_read, read_at }) => [
        sender,
        subject,
        body,
        is_read,
        read_at,
      ]),
      [
        [{ id: ann.userId, name: "ann" }, "Hello", "first", false, null],
        [{ id: ann.userId, name: "ann" }, undefined, "second", false, null],
      ],
    );
    bobApp.askUnreadCount(community);
    await eventually("two are unread", () => bobApp.unreadCount === 2);
    bobApp.markAsRead(bobApp.messages[0]!.id);
    await eventually("one is left", () => bobApp.unreadCount === 1);
    await eventually("ann sees it read", () => annApp.messages[0]?.is_read === true);
    assertEquals(annApp.messages[1]?.is_read, false);
    bobApp.askUnreadCount();
    bobApp.markAsRead(bobApp.messages[1]!.id);
    await eventually("none is left", () => bobApp.unreadCount === 0);

    clock.tick(30_000);
    await eventually("the pings are answered", () => annApp.pongs === 1 && bobApp.pongs === 1);
    await annApp.close();
    await bobApp.close();
  } finally {
    clock.uninstall();
  }
});
