/** A program: what members of a room see where the store gives a message whose data is nested deeper than a stack is. */
import type { Message } from "../../shared/protocol/chat_server_frames.ts";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import type { Store } from "../../shared/store/store.ts";
import { serveChat, userId } from "../support/serve_chat.ts";
import type { TestSocket } from "../support/socket.ts";

const LEVELS = 60_000;
const deep = JSON.parse("[".repeat(LEVELS) + "]".repeat(LEVELS));
const deepened = (message: Message): Message => message.body === "deep" ? { ...message, data: deep } : message;

const inner = memoryStore();
const store: Store = {
  ...inner,
  async eventsSince(room, since, limit) {
    const page = await inner.eventsSince(room, since, limit);
    return page && {
      ...page,
      events: page.events.map((event) =>
        event.frame.type !== "new_message" ? event : {
          ...event,
          frame: { ...event.frame, message: deepened(event.frame.message) },
        }
      ),
    };
  },
  async history(user, room, before, limit) {
    const page = await inner.history(user, room, before, limit);
    return page.ok ? { ok: true, value: { ...page.value, messages: page.value.messages.map(deepened) } } : page;
  },
};

async function threeBodies(socket: TestSocket): Promise<unknown[]> {
  const bodies: unknown[] = [];
  while (bodies.length < 3) bodies.push((await socket.nextOfType("new_message") as { message: Message }).message.body);
  return bodies;
}

const [first, second] = [serveChat({ store, bus: memoryBus() }), serveChat({ store, bus: memoryBus() })];
const client = await first.connect(1, "room=r");
for (const body of ["before", "deep", "after"]) {
  await inner.post([{ kind: "message", actor: { id: userId(1) }, room: "r", body }]);
}
const live = await threeBodies(client);
const late = await second.connect(1, `room=r&since=1&epoch=${client.first.epoch}`);
const replayed = await threeBodies(late);
late.sendJson({ type: "history", room: "r" });
const read = (await late.nextOfType("history") as unknown as { messages: Message[] }).messages.map(({ body }) => body);
const seen = { live, replayed, read, errors: [...first.errors, ...second.errors].map(String) };
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(seen) + "\n"));
Deno.exit();
