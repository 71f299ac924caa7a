import { assertEquals } from "@std/assert";
import { signUp } from "../support/sign_up.ts";
import { openSocket } from "../support/socket.ts";
import { startTestLocal } from "../support/start_local.ts";

Deno.test("chat over the local Supabase: real tokens, a message that lasts, read back under row level security", async () => {
  await using local = await startTestLocal();
  const [ann, bob] = [await signUp(local, "ann"), await signUp(local, "bob")];
  const room = `lobby-${crypto.randomUUID()}`;
  const url = (user: { accessToken: string }) => local.socketUrl(`chat?room=${room}&jwt=${user.accessToken}`);
  await using annSocket = await openSocket(url(ann));
  assertEquals((await annSocket.nextOfType("connection")).user_id, ann.userId);
  await using bobSocket = await openSocket(url(bob));
  await bobSocket.nextOfType("connection");
  annSocket.sendJson({ type: "chat", body: "hello bob", client_id: "c1" });
  const ack = await annSocket.nextOfType("ack");
  await annSocket.nextOfType("new_message");
  const { message } = await bobSocket.nextOfType("new_message") as { message: Record<string, unknown> };
  assertEquals([message.id, message.seq, message.body], [ack.id, ack.seq, "hello bob"]);
  assertEquals(message.sender, { id: ann.userId, name: "ann" });

  const { data, error } = await bob.supabase.from("messages").select("id, body").eq("id", ack.id as string);
  assertEquals([error, data], [null, [{ id: ack.id, body: "hello bob" }]]);
  const eve = await signUp(local, "eve");
  bobSocket.sendJson({ type: "dm", to: ann.userId, body: "psst" });
  const direct = await annSocket.nextOfType("new_message") as { message: { id: string; room: string } };
  assertEquals(direct.message.room.startsWith("dm:"), true);
  assertEquals((await eve.supabase.from("messages").select("id").eq("id", direct.message.id)).data, []);
});
