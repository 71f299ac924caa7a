/** The list of who is in a room has an end, as everyone who comes is sent it. */
import { assertEquals } from "@std/assert";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { ChatServerFrame } from "../../shared/protocol/chat_server_frames.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import { inProcessChat, type StandInSocket } from "../support/in_process_chat.ts";
import { userId } from "../support/serve_chat.ts";

const MEMBERS = 520;

Deno.test("a room of 520 names 500 of them to who comes, and how many more there are", async () => {
  const chat = inProcessChat({ store: memoryStore(), bus: memoryBus() });
  for (let n = 1; n <= MEMBERS; n++) await chat.connect(n, "room=r");
  const inbox = await chat.connect(MEMBERS + 1, "");
  const joined = nextOf(inbox, "joined");
  inbox.receive(JSON.stringify({ type: "join", room: "r" }));
  const frame = await joined as { members: { user_id: string }[]; members_left_out: number };
  ChatServerFrame.parse(frame);
  assertEquals([frame.members.length, frame.members_left_out], [500, 21]);
  assertEquals(frame.members[0]?.user_id, userId(1), "who has been there longest is named first");
  chat.close();
});

Deno.test("a room of a few names all, and says nothing of more", async () => {
  const chat = inProcessChat({ store: memoryStore(), bus: memoryBus() });
  await chat.connect(1, "room=r");
  const inbox = await chat.connect(2, "");
  const joined = nextOf(inbox, "joined");
  inbox.receive(JSON.stringify({ type: "join", room: "r" }));
  const frame = await joined as { members: { user_id: string }[]; members_left_out?: number };
  assertEquals([frame.members.length, frame.members_left_out], [2, undefined]);
  chat.close();
});

function nextOf(socket: StandInSocket, type: string): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  socket.send = (data) => {
    const frame = JSON.parse(data as string);
    if (frame.type === type) resolve(frame);
  };
  return promise;
}
