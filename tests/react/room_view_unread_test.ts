import { assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { RoomView } from "../../shared/react/room_view.ts";
import { enter, type FakeNet, fakeNet, type FakeSocket, message } from "../client/fake_server.ts";

type Frame = Record<string, unknown>;

interface Place {
  readonly net: FakeNet;
  readonly view: RoomView;
  readonly unread: () => number | undefined;
  /** The server says how much is unread, by itself. */
  count(count: number, asOf?: number): void;
  /** The server answers the question that was asked first of those that have no answer. */
  answer(count: number, asOf?: number, over?: FakeSocket): void;
  /** How many questions there were. */
  readonly asked: () => number;
  /** Lets so many milliseconds pass for the view, and none for the chat. */
  pass(ms: number): void;
}

/** Opens a view of the lobby, or of the inbox, whose log stands at 10 when the connection comes. */
async function withView(room: string | undefined, run: (place: Place) => Promise<void> | void): Promise<void> {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    using net = await fakeNet({ room });
    const view = new RoomView(net.chat, room);
    const close = view.open();
    net.socket.greet(10, room === undefined ? { rooms: { lobby: { seq: 10, epoch: "e1" } } } : {});
    await net.pass(0);
    const answered = new Set<unknown>();
    const questions = () => net.sockets.flatMap((socket) => socket.sentOf("get_unread_count"));
    const frame = (count: number, asOf?: number): Frame => {
      return { type: "unread_count", count, room, ...(asOf !== undefined && { as_of: asOf }) };
    };
    await run({
      net,
      view,
      unread: () => view.state().unreadCount,
      count: (count, asOf) => net.socket.say(frame(count, asOf)),
      answer(count, asOf, over = net.socket) {
        const { ref } = questions().find(({ ref }) => !answered.has(ref))!;
        answered.add(ref);
        over.say({ ...frame(count, asOf), ref });
      },
      asked: () => questions().length,
      pass: (ms) => void clock.tick(ms),
    });
    close();
  } finally {
    clock.uninstall();
  }
}

const read = (seq: number, id: string): Frame => {
  return { type: "message_read", room: "lobby", seq, message_id: id, user_id: "u1", read_at: "" };
};

Deno.test("RoomView: a message that comes before the count it is in, after it, or beside it, is counted once", async () => {
  await withView("lobby", async ({ net, unread, answer, asked }) => {
    net.socket.say(message(11), message(12));
    assertEquals(unread(), undefined);
    answer(2, 11);
    await net.pass(0);
    assertEquals(unread(), 3, "12 is not in it");
    net.socket.say(message(13));
    assertEquals([unread(), asked()], [4, 1]);
  });
  await withView("lobby", ({ net, unread, answer }) => {
    answer(2, 12);
    net.socket.say(message(11), message(12));
    assertEquals(unread(), 2, "both are in it");
    net.socket.say(message(13));
    assertEquals(unread(), 3);
  });
});

Deno.test("RoomView: counts that come twice, late or in another order do no harm", () =>
  withView("lobby", async ({ net, view, unread, count, answer }) => {
    const asked = [view.getUnreadCount(), view.getUnreadCount()];
    net.socket.say(message(11), message(12));
    answer(2, 12);
    answer(0, 10);
    assertEquals(unread(), 2);
    answer(1, 11);
    assertEquals(unread(), 2);
    count(2, 12);
    count(2, 12);
    assertEquals([unread(), await asked[0], await asked[1]], [2, 0, 1]);
  }));

Deno.test("RoomView: what a receipt has read stays read, though an answer from before it comes later", () =>
  withView("lobby", ({ net, view, unread, count, answer }) => {
    net.socket.say(message(11));
    void view.markAsRead();
    net.socket.say(read(12, "m11"));
    count(0, 12);
    assertEquals(unread(), 0);
    answer(1, 11);
    assertEquals(unread(), 0);
    net.socket.say(message(13));
    assertEquals(unread(), 1);
  }));

Deno.test("RoomView: what another device has read is counted anew, where no count of it comes", () =>
  withView("lobby", ({ net, unread, answer, asked, pass }) => {
    answer(1, 10);
    net.socket.say(read(11, "m10"));
    assertEquals(asked(), 1);
    pass(1_000);
    assertEquals([unread(), asked()], [1, 2]);
    answer(0, 11);
    assertEquals(unread(), 0);
  }));

Deno.test("RoomView: an answer that comes over the connection before is heard", () =>
  withView("lobby", async ({ net, unread, answer }) => {
    const [first] = net.sockets;
    net.socket.say({ type: "reconnect", after_ms: 0, reason: "isolate_retires" });
    await net.pass(1_000);
    net.socket.greet(10, { resumed: true });
    assertEquals([net.sockets.length, first!.closedWith], [2, undefined]);
    answer(2, 10, first);
    assertEquals(unread(), 2);
  }));

Deno.test("RoomView: in another log positions begin anew", () =>
  withView("lobby", async ({ net, unread, answer }) => {
    answer(4, 10);
    net.socket.drop(1006);
    await net.pass(500);
    net.socket.greet(2, { epoch: "e2" });
    net.socket.say({ type: "resync", room: "lobby", reason: "epoch_changed" });
    net.socket.say(enter("lobby", 2, { epoch: "e2", ref: net.socket.sentOf("join")[0]!.ref }));
    await net.pass(0);
    net.socket.say(message(3));
    assertEquals(unread(), 5, "as long as nobody has counted");
    answer(1, 3);
    assertEquals(unread(), 1);
  }));

Deno.test("RoomView: the total of the inbox is asked for again where a message came meanwhile", () =>
  withView(undefined, async ({ net, unread, answer, asked, count }) => {
    net.socket.say(message(11));
    answer(1);
    await net.pass(0);
    assertEquals(asked(), 2);
    answer(1);
    await net.pass(0);
    assertEquals([unread(), asked()], [1, 2]);
    net.socket.say(message(12));
    assertEquals(unread(), 2);
    count(0);
    assertEquals(unread(), 0);
  }));
