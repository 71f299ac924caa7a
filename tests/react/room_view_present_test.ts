import { assertEquals } from "@std/assert";
import { RoomView } from "../../shared/react/room_view.ts";
import { fakeNet } from "../client/fake_server.ts";

Deno.test("RoomView: of a list that is not whole it says how many more there are, and keeps count of those it does not know", async () => {
  using net = await fakeNet({ room: "lobby" });
  const view = new RoomView(net.chat, "lobby");
  const close = view.open();
  net.socket.greet(10, {});
  await net.pass(0);
  const shown = () => [view.state().present.map(({ user_id }) => user_id), view.state().presentLeftOut];
  const of = (...ids: string[]) => ids.map((user_id) => ({ user_id, connections: 1 }));
  const say = (news: object) => net.socket.say({ type: "presence", room: "lobby", ...news });
  say({ state: of("a", "b"), members_left_out: 2 });
  assertEquals(shown(), [["a", "b"], 2]);
  say({ joined: of("c"), left: of("a") });
  assertEquals(shown(), [["b", "c"], 2]);
  say({ left: of("x", "b") });
  assertEquals(shown(), [["c"], 1]);
  say({ left: of("y", "z") });
  assertEquals(shown(), [["c"], 0]);
  net.socket.say({
    type: "joined",
    room: "lobby",
    seq: 10,
    epoch: "e1",
    resumed: false,
    members: of("d"),
    members_left_out: 7,
  });
  assertEquals(shown(), [["d"], 7]);
  say({ state: of("e") });
  assertEquals(shown(), [["e"], 0]);
  close();
});
