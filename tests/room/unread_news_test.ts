import { assertEquals } from "@std/assert";
import { UnreadNews } from "../../shared/room/unread_news.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import type { Unread } from "../../shared/store/store.ts";
import { eventually } from "../support/eventually.ts";
import { serveChat } from "../support/serve_chat.ts";

Deno.test("marks that come while a count is under way are told of together by the next: the rooms, then all", async () => {
  const counts: { room: string | undefined; answer: PromiseWithResolvers<Unread | undefined> }[] = [];
  const told: unknown[] = [];
  const failures: unknown[] = [];
  const news = new UnreadNews({
    count: (room) => {
      const answer = Promise.withResolvers<Unread | undefined>();
      counts.push({ room, answer });
      return answer.promise;
    },
    tell: (_count, room, toAll) => told.push([room, toAll]),
    failed: (error) => failures.push(error),
  });
  const answer = async ({ mayKnow } = { mayKnow: true }) => {
    counts.at(-1)!.answer.resolve(mayKnow ? { count: 0, asOf: 1 } : undefined);
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  news.marked("a", false);
  for (let n = 0; n < 100; n++) news.marked("a", n === 50);
  news.marked("b", false);
  assertEquals(counts.length, 1);
  await answer();
  await answer();
  await answer({ mayKnow: false });
  await answer();
  assertEquals(told, [["a", false], ["a", true], [undefined, true]]);
  assertEquals(counts.map(({ room }) => room), ["a", "a", "b", undefined]);
  news.marked("a", false);
  news.marked("b", false);
  counts.at(-1)!.answer.reject("gone");
  await answer();
  assertEquals([counts.length, failures], [5, ["gone"]]);
  news.marked("b", true);
  await answer();
  await answer();
  assertEquals(told.slice(3), [["b", true], [undefined, true]]);
});

Deno.test("a connection that marks without end has one count under way", async () => {
  const store = memoryStore();
  const answer = Promise.withResolvers<void>();
  let [waiting, most] = [0, 0];
  const unread: typeof store.unread = async (...asked) => {
    most = Math.max(most, ++waiting);
    await answer.promise;
    waiting--;
    return await store.unread(...asked);
  };
  await using chat = serveChat({ store: { ...store, unread }, sockets: { messagesPerSecond: 1e6 } });
  await using client = await chat.connect(1, "room=r");
  const ids: string[] = [];
  for (let n = 0; n < 100; n++) {
    client.sendJson({ type: "chat", body: `${n}` });
    ids.push((await client.nextOfType("ack")).id as string);
  }
  for (const message_id of ids) client.sendJson({ type: "mark_read", message_id });
  for (let n = 0; n < ids.length; n++) await client.nextOfType("ack");
  await eventually("it is asked", () => waiting > 0);
  answer.resolve();
  for (const room of ["r", "r", undefined]) assertEquals((await client.nextOfType("unread_count")).room, room);
  assertEquals(most, 1);
});
