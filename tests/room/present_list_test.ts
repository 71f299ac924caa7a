/** The list of who is in a room has an end, and frames of a bounded size, as everyone who comes is sent it. */
import { assert, assertEquals } from "@std/assert";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { ChatServerFrame } from "../../shared/protocol/chat_server_frames.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import { eventually } from "../support/eventually.ts";
import { inProcessChat, type StandInSocket } from "../support/in_process_chat.ts";
import { serveChat, userId } from "../support/serve_chat.ts";

/** What one who comes is told of who is there. */
interface Told {
  readonly type: string;
  readonly members?: readonly { readonly user_id: string }[];
  readonly state?: readonly { readonly user_id: string }[];
  readonly joined?: readonly { readonly user_id: string }[];
  readonly already?: true;
  readonly members_left_out?: number;
}

for (
  const [members, names, leftOut] of [
    [10, [10], undefined],
    [11, [10, 1], undefined],
    [23, [10, 10, 3], undefined],
    [101, [11, 11, 11, 11, 11, 11, 11, 11, 11, 2], undefined],
    [520, [50, 50, 50, 50, 50, 50, 50, 50, 50, 50], 20],
  ] as const
) {
  Deno.test(`who joins a room of ${members} is named ${names.join(", ")} of them, and told of the rest`, async () => {
    const chat = inProcessChat({ store: memoryStore(), bus: memoryBus() });
    // The one who joins is there as well, as he does so.
    for (let n = 1; n < members; n++) await chat.connect(n, "room=r");
    const inbox = await chat.connect(members, "");
    const told = framesOf(inbox);
    inbox.receive(JSON.stringify({ type: "join", room: "r" }));
    const frames = names.length === 1 ? 1 : names.length + 1;
    await eventually("all are named", () => told.length === frames);

    const [joined, ...presence] = told;
    assertEquals(joined!.type, "joined");
    assertEquals(joined!.members?.length, names.length === 1 ? members : undefined);
    assertEquals(presence.map(({ type, already }) => [type, already]), [
      ...presence.slice(0, 1).map(() => ["presence", undefined]),
      ...presence.slice(1).map(() => ["presence", true]),
    ]);
    const lists = told.map(({ members, state, joined }) => members ?? state ?? joined ?? []).filter((list) =>
      list.length
    );
    assertEquals(lists.map(({ length }) => length), [...names]);
    const listed = Math.min(members, 500);
    const longestThere = Array.from({ length: listed }, (_, n) => userId(n + 1));
    assertEquals(
      lists.flat().map(({ user_id }) => user_id),
      longestThere,
      "each once, who has been there longest first",
    );
    assertEquals(told.map(({ members_left_out }) => members_left_out).find((count) => count), leftOut);
    assert(Math.max(...told.map((frame) => JSON.stringify(frame).length)) < 6_000, "no frame is large");
    chat.close();
  });
}

Deno.test("who connects to a room of 23 is named all of them, in frames of ten", async () => {
  await using chat = serveChat();
  for (let n = 1; n < 23; n++) await chat.connect(n, "room=lobby");
  const last = await chat.connect(23, "room=lobby");
  const told = [await last.nextJson(), await last.nextJson(), await last.nextJson()] as unknown as Told[];
  assertEquals(told.map(({ state, joined }) => [state?.length, joined?.length]), [
    [10, undefined],
    [undefined, 10],
    [undefined, 3],
  ]);
  assertEquals(told.map(({ already }) => already), [undefined, true, true]);
  const names = told.flatMap(({ state, joined }) => state ?? joined ?? []).map(({ user_id }) => user_id);
  assertEquals(names, Array.from({ length: 23 }, (_, n) => userId(n + 1)));
});

/** The frames with the list that a client is sent from now on: others came a moment before, of whom there is news as well. */
function framesOf(socket: StandInSocket): Told[] {
  const told: Told[] = [];
  socket.send = (data) => {
    const frame = JSON.parse(data as string);
    ChatServerFrame.parse(frame);
    if (frame.type === "joined" || frame.state !== undefined || frame.already) told.push(frame);
  };
  return told;
}
