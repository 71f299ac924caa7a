import { assertEquals, assertNotEquals } from "@std/assert";
import { type SignedUp, signUp } from "../support/sign_up.ts";
import { openSocket, type TestSocket } from "../support/socket.ts";
import { startTestLocal } from "../support/start_local.ts";

Deno.test("what is someone else's gains nothing: sessions, rooms, positions, messages, client ids", async (t) => {
  await using local = await startTestLocal();
  const [ann, bob, eve] = [await signUp(local, "ann"), await signUp(local, "bob"), await signUp(local, "eve")];
  const open = async (user: SignedUp, query: string) => {
    const socket = await openSocket(local.socketUrl(`chat?${query}&jwt=${user.accessToken}`));
    return Object.assign(socket, { first: await socket.nextJson() });
  };
  const ask = async (socket: TestSocket, frame: Record<string, unknown>) => {
    socket.sendJson({ ...frame, ref: "asked" });
    for (;;) {
      const answer = await socket.nextJson();
      if (answer.ref === "asked") return answer;
    }
  };
  const secret = `secret-${crypto.randomUUID()}`;
  const nowhere = `nowhere-${crypto.randomUUID()}`;
  const created = await ann.supabase.rpc("create_room", {
    kind: "private",
    id: secret,
    name: "s",
    members: [bob.userId],
  });
  assertEquals(created.error, null);
  await using annSocket = await open(ann, `room=${secret}&session=ann-session`);
  const ack = await ask(annSocket, { type: "chat", body: "for bob", client_id: "c-1" });
  await using dm = await open(ann, "");
  const direct = await ask(dm, { type: "dm", to: bob.userId, body: "for bob alone" });
  await using evesInbox = await open(eve, "");

  await t.step("a private room looks as if it were not there", async () => {
    const answers = [];
    for (const room of [secret, nowhere]) {
      // A room that is not there would be made; the name of a private one is taken, and says no more than that.
      const socket = await open(eve, `room=${room}`);
      answers.push([socket.first.type, socket.first.code]);
      await socket.close().catch(() => {});
    }
    assertEquals(answers[0], ["error", "room_not_found"]);
    for (
      const frame of [{ type: "chat", body: "x" }, { type: "history" }, { type: "typing" }, { type: "signal", data: 1 }]
    ) {
      const [taken, missing] = [
        await ask(evesInbox, { ...frame, room: secret }),
        await ask(evesInbox, { ...frame, room: `${nowhere}-2` }),
      ];
      assertEquals([taken.code, taken.message], [missing.code, missing.message], `${frame.type} tells them apart`);
      assertEquals(taken.code, "room_not_found");
    }
    const counts = await ask(evesInbox, { type: "get_unread_count", room: secret });
    assertEquals(counts.code, "room_not_found");
  });

  await t.step("a position in it, its epoch and the session of a member do not let one in", async () => {
    const { epoch, session } = annSocket.first;
    const socket = await open(eve, `room=${secret}&since=0&epoch=${epoch}&session=${session}`);
    assertEquals([socket.first.code, (await socket.closed).code], ["room_not_found", 4404]);
    assertEquals((await ask(evesInbox, { type: "join", room: secret, since: 0, epoch })).code, "room_not_found");
    evesInbox.sendJson({ type: "resume", rooms: { [secret]: { since: 0, epoch } } });
    assertEquals((await evesInbox.nextOfType("error")).code, "room_not_found");
  });

  await t.step("a session is the user's own: with someone else's one is oneself", async () => {
    await using socket = await open(eve, "session=ann-session");
    assertEquals(socket.first.user_id, eve.userId);
  });

  await t.step("messages of a room that one is not in are not there", async () => {
    for (const message_id of [ack.id, direct.id]) {
      for (
        const frame of [
          { type: "edit", body: "changed" },
          { type: "delete" },
          { type: "react", emoji: "👎" },
          { type: "mark_read" },
        ]
      ) {
        assertEquals((await ask(evesInbox, { ...frame, message_id })).code, "message_not_found", frame.type);
      }
    }
  });

  await t.step("a member may not edit or delete another member's message", async () => {
    await using bobSocket = await open(bob, `room=${secret}`);
    assertEquals((await ask(bobSocket, { type: "edit", message_id: ack.id, body: "changed" })).code, "forbidden");
    assertEquals((await ask(bobSocket, { type: "delete", message_id: ack.id })).code, "forbidden");
    const { messages } = await ask(bobSocket, { type: "history" }) as { messages: { body: string }[] };
    assertEquals(messages.map(({ body }) => body), ["for bob"]);
  });

  await t.step("someone else's client_id gives one's own message, and not theirs", async () => {
    const room = `open-${crypto.randomUUID()}`;
    await using socket = await open(eve, `room=${room}`);
    const own = await ask(socket, { type: "chat", body: "eve's", client_id: "c-1" });
    assertEquals([own.type, own.room], ["ack", room]);
    assertNotEquals(own.id, ack.id);
  });

  await t.step("the direct room of two others cannot be joined by its name", async () => {
    const room = direct.room as string;
    assertEquals((await ask(evesInbox, { type: "join", room })).code, "room_not_found");
    assertEquals((await ask(evesInbox, { type: "chat", room, body: "x" })).code, "room_not_found");
  });

  await t.step("what is not signed in, or signed by no one, does not get in", async () => {
    for (const token of ["", local.anonKey, local.publishableKey, `${ann.accessToken}x`]) {
      const socket = await openSocket(local.socketUrl(`chat?room=${secret}&jwt=${token}`));
      assertEquals((await socket.nextJson()).code, "unauthorized");
      assertEquals((await socket.closed).code, 4401);
    }
  });

  await t.step("supabase-js reads what its user may, and nothing of the others", async () => {
    for (const table of ["rooms", "room_members", "messages", "reactions"]) {
      const column = table === "rooms" ? "id" : "room_id";
      const query = eve.supabase.from(table).select("*");
      const { data, error } = await (table === "reactions" ? query : query.eq(column, secret));
      assertEquals([error, data], [null, []], table);
    }
    const { data } = await bob.supabase.from("messages").select("body").eq("room_id", secret);
    assertEquals(data, [{ body: "for bob" }]);
    const written = await bob.supabase.from("messages").insert({
      room_id: secret,
      sender_id: ann.userId,
      body: "as ann",
    });
    assertNotEquals(written.error, null);
  });
});
