import { assertEquals } from "@std/assert";
import { signUp } from "../support/sign_up.ts";
import { openSocket } from "../support/socket.ts";
import { startTestLocal } from "../support/start_local.ts";

Deno.test("messages by SQL, by an RPC of supabase-js and by a webhook reach the open sockets, in the log's order", async () => {
  await using local = await startTestLocal();
  const [ann, bob] = [await signUp(local, "ann"), await signUp(local, "bob")];
  const room = `writers-${crypto.randomUUID()}`;
  await using socket = await openSocket(local.socketUrl(`chat?room=${room}&jwt=${ann.accessToken}`));
  const { seq } = await socket.nextOfType("connection") as { seq: number };
  await using other = await openSocket(local.socketUrl(`chat?room=${room}&jwt=${bob.accessToken}`));
  await other.nextOfType("connection");

  await local.sql("insert into messages (room_id, sender_id, body) values ($1, $2, 'by SQL')", [room, bob.userId]);
  const { error } = await bob.supabase.rpc("send_message", { room, body: "by RPC", client_id: "rpc-1" });
  assertEquals(error, null);
  const answer = await fetch(`${local.url}/functions/v1/chat/messages`, {
    method: "POST",
    headers: { Authorization: `Bearer ${local.secretKey}` },
    body: JSON.stringify({ room, body: "by webhook" }),
  });
  assertEquals([answer.status, (await answer.json()).room], [201, room]);

  const heard: [string, number][] = [];
  while (heard.length < 3) {
    const { message } = await socket.nextOfType("new_message") as { message: { body: string; seq: number } };
    heard.push([message.body, message.seq]);
  }
  // Bob joined after Ann's connection said where the log ends: that was one event.
  assertEquals(heard, [["by SQL", seq + 2], ["by RPC", seq + 3], ["by webhook", seq + 4]]);
  const { data } = await bob.supabase.from("messages").select("body").eq("room_id", room).order("seq");
  assertEquals(data?.map(({ body }) => body), ["by SQL", "by RPC", "by webhook"]);
});
