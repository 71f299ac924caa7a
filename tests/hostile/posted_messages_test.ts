import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { ServerMessage } from "../../shared/room/post_message.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import type { Store } from "../../shared/store/store.ts";
import { seedOfRun } from "../support/seeded_random.ts";
import { serveChat, userId } from "../support/serve_chat.ts";
import { hostileOf } from "./arbitrary_frame.ts";
import { arbitraryOf } from "./arbitrary_of.ts";

const SECRET = "sb_secret_of_the_tests";
const NAMES = ["open", "secret", "nowhere", "..", "constructor", "__proto__", userId(1), userId(2)];

/** Where most go, since a message to a room and a user at once, or to neither, is refused; one comes again and again. */
const PLACES = [
  { room: "open" },
  { room: "secret" },
  { room: "open", client_id: "again" },
  { room: "nowhere" },
  { user: userId(1) },
];

/** What a server posts: to a room or to a user, and to whatever its schema lets be said. */
const message = fc.tuple(arbitraryOf(ServerMessage, NAMES), fc.constantFrom(...PLACES, undefined))
  .map(([value, place]): Record<string, unknown> => {
    const { room, user, ...others } = value as Record<string, unknown>;
    return place === undefined ? { room, user, ...others } : { ...others, ...place };
  });

Deno.test("whatever is posted to /chat/messages is stored once or refused by name, and what is refused leaves nothing", async () => {
  const inner = memoryStore();
  let stored = 0;
  const store: Store = {
    ...inner,
    async post(writes) {
      const results = await inner.post(writes);
      stored += results.filter((result) => result.ok && result.value.event !== undefined).length;
      return results;
    },
  };
  await inner.createRoom("public", "open", "o", [userId(1)]);
  await inner.createRoom("private", "secret", "s", [userId(1)]);
  await using chat = serveChat({ store, secretKeys: [SECRET] });
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(hostileOf(message), async (body) => {
      const before = stored;
      const headers = { Authorization: `Bearer ${SECRET}` };
      const answer = await fetch(`${chat.url}/chat/messages`, { method: "POST", headers, body });
      const { type, code, room } = await answer.json();
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      // To one place, and that which was named; what was there before is answered with where it went then.
      if (answer.status === 201) {
        const asked = JSON.parse((body as string).replace(/^\uFEFF/, "")); // Decoding takes the mark away.
        assertEquals(asked.room, asked.user === undefined ? room : undefined);
      }
      if (answer.status === 201) assertEquals([stored - before, type], [1, "ack"]);
      else if (answer.status === 200) assertEquals([stored - before, type], [0, "ack"]);
      else {
        assert(answer.status >= 400 && answer.status < 500, `${answer.status} ${code}`);
        assertEquals([stored - before, typeof code], [0, "string"]);
      }
    }),
    { seed: seedOfRun(), numRuns: 1_000 },
  );
  const isSeen = [200, 201, 404, 422].every((status) => (statuses.get(status) ?? 0) >= 5);
  assert(isSeen, `Too few have come to say anything: ${JSON.stringify([...statuses])}`);
  assertEquals([chat.errors, chat.isolate.state], [[], "serving"]);
});
