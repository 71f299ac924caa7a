import { assertEquals } from "@std/assert";
import { SYSTEM_USER } from "../../shared/store/store.ts";
import { serveChat, type ServedChat, userId } from "../support/serve_chat.ts";

const SECRET = "sb_secret_of_the_tests";

function post(chat: ServedChat, body: unknown, headers: HeadersInit = { Authorization: `Bearer ${SECRET}` }) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return fetch(`${chat.url}/chat/messages`, { method: "POST", headers, body: text });
}

Deno.test("POST /chat/messages writes to a room as the system, and answers as ack does", async () => {
  await using chat = serveChat({ secretKeys: ["another", SECRET] });
  await chat.store.createRoom("private", "secret", "s", [userId(1)]);
  await using ann = await chat.connect(1, "room=secret");
  const message = { room: "secret", body: "deployed", client_id: "job-7", data: { build: 7 }, sender_name: "CI" };
  const first = await post(chat, message);
  const ack = await first.json();
  const { message: shown } = await ann.nextOfType("new_message") as { message: Record<string, unknown> };
  assertEquals(first.status, 201);
  assertEquals(ack, {
    type: "ack",
    client_id: "job-7",
    id: shown.id,
    room: "secret",
    seq: shown.seq,
    created_at: shown.created_at,
  });
  assertEquals([shown.sender, shown.body, shown.data], [{ id: SYSTEM_USER, name: "CI" }, "deployed", { build: 7 }]);
  const again = await post(chat, message, { apikey: SECRET });
  assertEquals([again.status, await again.json()], [200, ack]);
});

Deno.test("POST /chat/messages reaches a user on all connections, in a room of theirs", async () => {
  await using chat = serveChat({ secretKeys: [SECRET] });
  await using inbox = await chat.connect(1);
  await using lobby = await chat.connect(1, "room=lobby");
  const answer = await post(chat, { user: userId(1), body: "your export is ready" });
  assertEquals(answer.status, 201);
  const { room } = await answer.json();
  for (const socket of [inbox, lobby]) {
    const { message } = await socket.nextOfType("new_message") as { message: Record<string, unknown> };
    assertEquals([message.room, message.recipient, message.body], [room, userId(1), "your export is ready"]);
  }
});

Deno.test("POST /chat/messages refuses as problem JSON, and writes nothing then", async (t) => {
  await using chat = serveChat({ secretKeys: [SECRET] });
  await chat.store.createRoom("public", "open", "o", [userId(1)]);
  const key = { Authorization: `Bearer ${SECRET}` };
  const ok = { room: "open", body: "x" };
  const cases: [string, unknown, HeadersInit, number, string][] = [
    ["no key", ok, {}, 401, "unauthorized"],
    ["a user's token", ok, { Authorization: "Bearer 1" }, 403, "forbidden"],
    ["a key that is nearly right", ok, { apikey: SECRET.slice(0, -1) + "x" }, 403, "forbidden"],
    ["a room that is not there", { ...ok, room: "nowhere" }, key, 404, "room_not_found"],
    ["a user that is none", { user: "someone", body: "x" }, key, 422, "unprocessable"],
    ["no JSON", "{", key, 422, "unprocessable"],
    ["neither room nor user", { body: "x" }, key, 422, "unprocessable"],
    ["both room and user", { ...ok, user: userId(1) }, key, 422, "unprocessable"],
    ["no body", { room: "open" }, key, 422, "unprocessable"],
    ["a body that is too long", { ...ok, body: "x".repeat(16_001) }, key, 413, "too_large"],
    ["a request that is too long", "x".repeat(200_000), key, 413, "too_large"],
  ];
  for (const [name, body, headers, status, code] of cases) {
    await t.step(name, async () => {
      const answer = await post(chat, body, headers);
      assertEquals(answer.headers.get("content-type"), "application/problem+json");
      const problem = await answer.text();
      assertEquals([answer.status, JSON.parse(problem).code], [status, code]);
      assertEquals(problem.includes(SECRET), false);
    });
  }
  const history = await chat.store.history(userId(1), "open", undefined, 10);
  assertEquals(history, { ok: true, value: { messages: [], more: false } });
  await t.step("without a secret key set, nobody may post", async () => {
    await using closed = serveChat();
    assertEquals((await post(closed, ok, { apikey: "" })).status, 403);
    assertEquals((await post(closed, ok)).status, 403);
  });
});
