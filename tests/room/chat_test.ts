import { assert, assertEquals } from "@std/assert";
import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { ChatServerFrame } from "../../shared/protocol/chat_server_frames.ts";
import { eventually } from "../support/eventually.ts";
import { serveChat, userId } from "../support/serve_chat.ts";
import { openSocket } from "../support/socket.ts";

Deno.test("connect to a room: connection first, then who is here; the others hear of the newcomer", async () => {
  await using chat = serveChat();
  const ann = await chat.connect(1, "room=lobby&session=abc");
  assertEquals(ann.first, {
    type: "connection",
    message: "connected",
    user_id: userId(1),
    room: "lobby",
    community_id: "lobby",
    seq: ann.first.seq,
    epoch: ann.first.epoch,
    resumed: false,
    session: "abc",
    expires_at: ann.first.expires_at,
    isolate: chat.isolate.id,
    age_ms: ann.first.age_ms,
    lifetime_ms: ann.first.lifetime_ms,
    limits: { max_frame_bytes: 1048576, messages_per_second: 100, bytes_per_second: 1048576 },
  });
  const annHere = { user_id: userId(1), name: "user 1", connections: 1 };
  const bobHere = { user_id: userId(2), name: "user 2", connections: 1 };
  assertEquals(await ann.nextJson(), { type: "presence", room: "lobby", state: [annHere] });
  const bob = await chat.connect(2, "room=lobby");
  assertEquals(await bob.nextJson(), { type: "presence", room: "lobby", state: [annHere, bobHere] });
  assertEquals(await ann.nextOfType("presence"), { type: "presence", room: "lobby", joined: [bobHere] });
  await bob.close();
  assertEquals(await ann.nextOfType("presence"), {
    type: "presence",
    room: "lobby",
    left: [{ ...bobHere, connections: 0 }],
  });
  await ann.close();
  await eventually("the room is let go", () => chat.rooms() === 0 && chat.processes.count === 0);
  assertEquals(chat.errors, []);
});

Deno.test("a room in the path is the same as ?room= and ?community=", async () => {
  await using chat = serveChat();
  const ann = await chat.connect(1, "room=a.b:c-1");
  await using bob = await openSocket(`${chat.url.replace("http", "ws")}/chat/a.b:c-1?jwt=2`);
  await using cid = await openSocket(`${chat.url.replace("http", "ws")}/chat?community=a.b:c-1&jwt=3`);
  assertEquals((await bob.nextJson()).room, "a.b:c-1");
  assertEquals((await cid.nextJson()).community_id, "a.b:c-1");
  await ann.close();
});

Deno.test("chat: the sender gets an ack, and every member the message, the sender too", async () => {
  await using chat = serveChat();
  await using ann = await chat.connect(1, "room=lobby");
  await using bob = await chat.connect(2, "room=lobby");
  ann.sendJson({ type: "chat", body: "hello", client_id: "c1", subject: "s", data: { x: [1] } });
  const ack = await ann.nextOfType("ack");
  const { message } = await ann.nextOfType("new_message") as { message: Record<string, unknown> };
  assertEquals(ack, {
    type: "ack",
    client_id: "c1",
    id: message.id,
    room: "lobby",
    seq: message.seq,
    created_at: message.created_at,
  });
  assertEquals(message, {
    ...message,
    room: "lobby",
    community: "lobby",
    sender: { id: userId(1), name: "user 1" },
    body: "hello",
    subject: "s",
    data: { x: [1] },
    client_id: "c1",
    is_read: false,
    read_at: null,
  });
  assertEquals((await bob.nextOfType("new_message")).message, message);
  ann.sendJson({ type: "chat", text: "said as text" });
  const second = (await bob.nextOfType("new_message")).message as Record<string, unknown>;
  assertEquals([second.body, second.seq], ["said as text", Number(message.seq) + 1]);
});

Deno.test("chat: the same client_id again gives the first ack and no second message", async () => {
  await using chat = serveChat();
  await using ann = await chat.connect(1, "room=lobby");
  const frame = { type: "chat", body: "once", client_id: "c1" };
  ann.sendJson(frame);
  ann.sendJson(frame);
  const first = await ann.nextOfType("ack");
  assertEquals(await ann.nextOfType("ack"), first);
  ann.sendJson({ type: "chat", body: "after" });
  const after = await ann.nextOfType("new_message");
  assertEquals((after.message as { body: string }).body, "after");
});

Deno.test("ping, typing and signal: passing frames reach the others, signal one of them where it says so", async () => {
  await using chat = serveChat();
  await using ann = await chat.connect(1, "room=lobby");
  await using bob = await chat.connect(2, "room=lobby");
  await using cid = await chat.connect(3, "room=lobby");
  ann.sendJson({ type: "ping", ref: "p" });
  assertEquals(await ann.nextOfType("pong"), { type: "pong", ref: "p" });
  ann.sendJson({ type: "typing" });
  ann.sendJson({ type: "signal", data: { offer: 1 } });
  ann.sendJson({ type: "signal", data: "only bob", to: userId(2) });
  ann.sendJson({ type: "signal", data: "last" });
  for (const [socket, heard] of [[bob, [{ offer: 1 }, "only bob", "last"]], [cid, [{ offer: 1 }, "last"]]] as const) {
    assertEquals(await socket.nextOfType("typing"), {
      type: "typing",
      room: "lobby",
      user_id: userId(1),
      name: "user 1",
    });
    for (const data of heard) {
      assertEquals(await socket.nextOfType("signal"), { type: "signal", room: "lobby", user_id: userId(1), data });
    }
  }
  ann.sendJson({ type: "ping" });
  const frames: unknown[] = [];
  for (let frame = await ann.nextJson(); frame.type !== "pong"; frame = await ann.nextJson()) frames.push(frame.type);
  assert(!frames.includes("typing") && !frames.includes("signal"), "the sender hears nothing of his own");
});

Deno.test("join and leave: one connection in several rooms", async () => {
  await using chat = serveChat();
  await using ann = await chat.connect(1, "room=one");
  ann.sendJson({ type: "join", room: "two" });
  const joined = await ann.nextOfType("joined");
  assertEquals(joined, {
    type: "joined",
    room: "two",
    seq: joined.seq,
    epoch: joined.epoch,
    resumed: false,
    members: [{ user_id: userId(1), name: "user 1", connections: 1 }],
  });
  await using bob = await chat.connect(2, "room=two");
  bob.sendJson({ type: "chat", body: "in two" });
  assertEquals((await ann.nextOfType("new_message") as { message: { room: string } }).message.room, "two");
  ann.sendJson({ type: "chat", room: "two", body: "answer" });
  await ann.nextOfType("ack");
  ann.sendJson({ type: "leave", room: "two" });
  assertEquals(await ann.nextOfType("left"), { type: "left", room: "two" });
  bob.sendJson({ type: "chat", body: "unheard" });
  await bob.nextOfType("ack");
  ann.sendJson({ type: "ping" });
  assertEquals((await ann.nextJson()).type, "pong");
});

Deno.test("format=raw relays text and binary as they are to the other raw connections of the room", async () => {
  await using chat = serveChat();
  await using ann = await chat.connect(1, "room=plain&format=raw");
  await using bob = await chat.connect(2, "room=plain&format=raw");
  await using other = await chat.connect(3, "room=elsewhere&format=raw");
  // Bob is in the room once his socket is open; what Ann sends after that must reach him.
  bob.send("I am here");
  assertEquals(await ann.next(), "I am here");
  ann.send("any text");
  ann.send(new Uint8Array([0, 255, 7]));
  assertEquals(await bob.next(), "any text");
  assertEquals(new Uint8Array(await bob.next() as ArrayBuffer), new Uint8Array([0, 255, 7]));
  assertEquals([ann.waiting, other.waiting], [[], []]);
});

Deno.test("resume: what was missed follows in order, then what is new, each once", async () => {
  await using chat = serveChat();
  await using bob = await chat.connect(2, "room=lobby");
  const ann = await chat.connect(1, "room=lobby");
  ann.sendJson({ type: "chat", body: "0" });
  const { message } = await ann.nextOfType("new_message") as { message: { seq: number } };
  await ann.close();
  for (let n = 1; n <= 700; n++) await chat.store.post([write(2, "lobby", String(n))]);
  await using again = await chat.connect(1, `room=lobby&since=${message.seq}&epoch=${ann.first.epoch}`);
  assertEquals(again.first.resumed, true);
  for (let n = 701; n <= 720; n++) bob.sendJson({ type: "chat", body: String(n) });
  const bodies: string[] = [];
  while (bodies.length < 720) {
    bodies.push((await again.nextOfType("new_message") as { message: { body: string } }).message.body);
  }
  assertEquals(bodies, Array.from({ length: 720 }, (_, n) => String(n + 1)));
});

Deno.test("resume with another epoch, or from a point the log never reached, says resync", async () => {
  await using chat = serveChat();
  await using ann = await chat.connect(1, "room=lobby");
  for (const [query, reason] of [["since=0&epoch=other", "epoch_changed"], ["since=999", "ahead_of_log"]] as const) {
    await using socket = await chat.connect(1, `room=lobby&${query}`);
    assertEquals(socket.first.resumed, false);
    assertEquals(await socket.nextOfType("resync"), { type: "resync", room: "lobby", reason });
  }
  await ann.close();
});

Deno.test("batch=1: what comes in together comes out in one frame, in order, and nothing twice", async () => {
  await using chat = serveChat();
  await using ann = await chat.connect(1, "room=lobby&batch=1");
  await using bob = await chat.connect(2, "room=lobby");
  for (let n = 0; n < 90; n++) bob.sendJson({ type: "chat", body: String(n) });
  const bodies: string[] = [];
  let frames = 0;
  while (bodies.length < 90) {
    const frame = await ann.nextJson();
    const events = frame.type === "batch" ? frame.events as Record<string, unknown>[] : [frame];
    const messages = events.filter(({ type }) => type === "new_message") as { message: { body: string } }[];
    if (messages.length > 0) frames++;
    bodies.push(...messages.map(({ message }) => message.body));
  }
  assertEquals(bodies, Array.from({ length: 90 }, (_, n) => String(n)));
  assert(frames < 90, `${frames} frames for 90 messages`);
});

Deno.test("an event stored beside this isolate reaches its members within the head check", async () => {
  await using chat = serveChat();
  await using ann = await chat.connect(1, "room=lobby");
  await chat.store.post([write(1, "lobby", "from elsewhere")]);
  const { message } = await ann.nextOfType("new_message") as { message: { body: string } };
  assertEquals(message.body, "from elsewhere");
});

Deno.test("two isolates on one store and one bus: a room spans both", async () => {
  const bus = memoryBus();
  await using one = serveChat({ bus, headCheckMs: 600_000 });
  await using two = serveChat({ bus, store: one.store, headCheckMs: 600_000 });
  await using ann = await one.connect(1, "room=lobby");
  await using bob = await two.connect(2, "room=lobby");
  ann.sendJson({ type: "chat", body: "over the bus" });
  const { message } = await bob.nextOfType("new_message") as { message: { body: string } };
  assertEquals(message.body, "over the bus");
  bob.sendJson({ type: "typing" });
  assertEquals((await ann.nextOfType("typing")).user_id, userId(2));
  await using raw = await one.connect(3, "room=lobby&format=raw");
  await using other = await two.connect(4, "room=lobby&format=raw");
  other.send("ready");
  assertEquals(await raw.next(), "ready");
  raw.send(new Uint8Array([1, 0, 255]));
  assertEquals(new Uint8Array(await other.next() as ArrayBuffer), new Uint8Array([1, 0, 255]));
});

Deno.test("presence spans isolates: who is elsewhere is in the list, and a move between isolates shows nothing", async () => {
  const bus = memoryBus();
  await using one = serveChat({ bus, leaveGraceMs: 200 });
  await using two = serveChat({ bus, store: one.store, leaveGraceMs: 200 });
  const ann = await one.connect(1, "room=lobby");
  await using bob = await two.connect(2, "room=lobby");
  await eventually("bob hears of ann", async () => {
    await using eve = await two.connect(3, "room=lobby");
    const { state } = await eve.nextOfType("presence") as { state: { user_id: string }[] };
    return state.some(({ user_id }) => user_id === userId(1));
  });
  await using moved = await two.connect(1, "room=lobby");
  await ann.close();
  await new Promise((resolve) => setTimeout(resolve, 500));
  await moved.close();
  const shown: string[] = [];
  while (!shown.includes("left 1")) {
    const presence = await bob.nextOfType("presence") as Record<string, { user_id: string }[]>;
    const { state = [], joined = [], left = [] } = presence;
    for (const { user_id } of [...state, ...joined]) shown.push(`joined ${Number(user_id.slice(-12))}`);
    for (const { user_id } of left) shown.push(`left ${Number(user_id.slice(-12))}`);
  }
  assertEquals(shown.filter((word) => word.endsWith(" 1")), ["joined 1", "left 1"]);
});

Deno.test("a direct message reaches every connection of both, on any isolate, inbox or room, known or new", async () => {
  const bus = memoryBus();
  await using one = serveChat({ bus });
  await using two = serveChat({ bus, store: one.store });
  await using annRoom = await one.connect(1, "room=lobby");
  await using annInbox = await two.connect(1);
  await using bobInbox = await one.connect(2);
  await using bobRoom = await two.connect(2, "room=elsewhere");
  await using eve = await two.connect(3, "room=lobby");
  for (const [from, to, body] of [[annRoom, 2, "first"], [bobRoom, 1, "second"]] as const) {
    from.sendJson({ type: "dm", to: userId(to), body });
    for (const socket of [annRoom, annInbox, bobInbox, bobRoom]) {
      const { message } = await socket.nextOfType("new_message") as { message: { body: string; recipient: string } };
      assertEquals([message.body, message.recipient], [body, userId(to)]);
    }
  }
  eve.sendJson({ type: "ping" });
  const heard: unknown[] = [];
  for (let frame = await eve.nextJson(); frame.type !== "pong"; frame = await eve.nextJson()) heard.push(frame.type);
  assertEquals(heard.includes("new_message"), false);
});

Deno.test("one who is removed from a room stops hearing it at once, is closed out of it, and cannot come back", async () => {
  await using chat = serveChat({ headCheckMs: 100 });
  await chat.store.createRoom("private", "secret", "s", [userId(9), userId(1)]);
  await using owner = await chat.connect(9, "room=secret");
  const ann = await chat.connect(1, "room=secret");
  await using inbox = await chat.connect(1);
  inbox.sendJson({ type: "resume", rooms: {} });
  await inbox.nextOfType("joined");
  await chat.store.removeMember("secret", userId(1));
  assertEquals((await ann.nextOfType("left")).room, "secret");
  assertEquals((await ann.closed).code, 4403);
  assertEquals((await inbox.nextOfType("left")).room, "secret");
  owner.sendJson({ type: "chat", body: "now that she is gone" });
  await owner.nextOfType("ack");
  inbox.sendJson({ type: "ping" });
  assertEquals((await inbox.nextJson()).type, "pong");
  inbox.sendJson({ type: "resume", rooms: { secret: { since: 0 } } });
  assertEquals((await inbox.nextOfType("error")).code, "room_not_found");
  const again = await chat.connect(1, "room=secret&since=0");
  assertEquals([again.first.code, (await again.closed).code], ["room_not_found", 4404]);
});

Deno.test("an inbox resumes each room from where it stands, and learns of rooms that are new to it", async () => {
  await using chat = serveChat();
  for (const room of ["one", "two", "three"]) {
    await chat.store.createRoom("private", room, room, [userId(9), userId(1)]);
  }
  const write = (room: string, body: string) =>
    chat.store.post([{ kind: "message", actor: { id: userId(9) }, room, body }]);
  const [at] = await write("one", "known");
  const since = at!.ok ? at!.value.seq : 0;
  for (const room of ["one", "two", "three"]) for (const n of [1, 2]) await write(room, `${room} ${n}`);
  await using inbox = await chat.connect(1);
  inbox.sendJson({ type: "resume", rooms: { one: { since }, three: { since: 999 } } });
  const seen: Record<string, unknown[]> = {};
  while (Object.values(seen).flat().length < 9) {
    const frame = await inbox.nextJson() as { room?: string; type: string; message?: { room: string; body: string } };
    const room = frame.room ?? frame.message!.room;
    (seen[room] ??= []).push(frame.type === "new_message" ? frame.message!.body : frame.type);
  }
  assertEquals(seen, {
    one: ["joined", "one 1", "one 2"],
    two: ["joined", "member", "two 1", "two 2"],
    three: ["joined", "resync"],
  });
});

Deno.test("what a chat cannot do for a client it says, by close code or by an error frame", async (t) => {
  await using chat = serveChat({ createRooms: false, sockets: { maxFrameBytes: 4096 } });
  await chat.store.createRoom("private", "secret", "s", [userId(9)]);
  await chat.store.createRoom("public", "open", "o", [userId(9)]);
  const socketUrl = chat.url.replace("http", "ws");
  const refused: [string, string, number, string][] = [
    ["no token", "?room=open", 4401, "unauthorized"],
    ["bad token", "?jwt=x&room=open", 4401, "unauthorized"],
    ["expired token", "?jwt=1:0&room=open", 4401, "token_expired"],
    ["bad room id", "?jwt=1&room=a%20b", 4400, "bad_request"],
    ["a room with a slash", "/a/b?jwt=1", 4400, "bad_request"],
    ["bad since", "?jwt=1&room=open&since=-1", 4400, "bad_request"],
    ["bad format", "?jwt=1&room=open&format=xml", 4400, "bad_request"],
    ["raw without a room", "?jwt=1&format=raw", 4400, "bad_request"],
    ["a room that is not there", "?jwt=1&room=nowhere", 4404, "room_not_found"],
    ["a private room of others", "?jwt=1&room=secret", 4404, "room_not_found"],
  ];
  for (const [name, path, closeCode, code] of refused) {
    await t.step(name, async () => {
      const socket = await openSocket(`${socketUrl}/chat${path}`);
      const error = await socket.nextJson();
      assertEquals([error.type, error.code], ["error", code]);
      assertEquals((await socket.closed).code, closeCode);
    });
  }
  await using ann = await chat.connect(1, "room=open");
  const answered: [string, unknown, string, string?][] = [
    ["no JSON", "{", "bad_frame"],
    ["no object", "[]", "bad_frame"],
    ["an unknown type", { type: "nope", ref: "r1" }, "bad_frame", "r1"],
    ["a chat without a body", { type: "chat", client_id: "c" }, "bad_frame", "c"],
    ["a body that is too long", { type: "chat", body: "x".repeat(16_001), ref: "r" }, "bad_frame", "r"],
    ["a room of others", { type: "chat", room: "secret", body: "x", ref: "r" }, "room_not_found", "r"],
    ["joining a room of others", { type: "join", room: "secret", ref: "r" }, "room_not_found", "r"],
    ["typing where one is not", { type: "typing", room: "secret", ref: "r" }, "room_not_found", "r"],
    ["a signal where one is not", { type: "signal", room: "secret", data: 1, ref: "r" }, "room_not_found", "r"],
    ["history of others", { type: "history", room: "secret", ref: "r" }, "room_not_found", "r"],
    ["another's message", { type: "edit", message_id: userId(5), body: "x", ref: "r" }, "message_not_found", "r"],
    ["another user's token", { type: "refresh", jwt: "2", ref: "r" }, "forbidden", "r"],
    ["a refused token", { type: "refresh", jwt: "x", ref: "r" }, "unauthorized", "r"],
  ];
  for (const [name, frame, code, ref] of answered) {
    await t.step(name, async () => {
      if (typeof frame === "string") ann.send(frame);
      else if (JSON.stringify(frame).length <= 4096) ann.sendJson(frame);
      else return;
      const error = await ann.nextOfType("error");
      assertEquals([error.code, error.ref], [code, ref]);
    });
  }
  await t.step("a binary frame", async () => {
    ann.send(new Uint8Array([1]));
    assertEquals((await ann.nextOfType("error")).code, "bad_frame");
  });
  await t.step("ten bad frames in a row end the connection, nine and a good one do not", async () => {
    ann.sendJson({ type: "ping" });
    for (let n = 0; n < 9; n++) ann.send("bad");
    ann.sendJson({ type: "ping" });
    for (let n = 0; n < 10; n++) ann.send("bad");
    assertEquals((await ann.closed).code, 4400);
    const types = ann.waiting.map((frame) => JSON.parse(frame as string).type);
    assertEquals(types.filter((type) => type === "error").length, 19);
    assertEquals(types.filter((type) => type === "pong").length, 2);
  });
  assertEquals(chat.errors, []);
});

Deno.test("refresh: a newer token of the same user prolongs the connection", async () => {
  await using chat = serveChat();
  await using ann = await chat.connect("1:2" as unknown as number, "room=lobby");
  ann.sendJson({ type: "refresh", jwt: "1:3600" });
  const refreshed = await ann.nextOfType("refreshed");
  assert(Date.parse(refreshed.expires_at as string) > Date.now() + 3_000_000);
  await new Promise((resolve) => setTimeout(resolve, 2_200));
  ann.sendJson({ type: "ping" });
  assertEquals((await ann.nextOfType("pong")).type, "pong");
});

Deno.test("a token that expires closes the connection 4401", async () => {
  await using chat = serveChat();
  const ann = await chat.connect("1:1" as unknown as number, "room=lobby");
  assertEquals((await ann.nextOfType("token_expiring")).type, "token_expiring");
  assertEquals((await ann.nextOfType("error")).code, "token_expired");
  assertEquals((await ann.closed).code, 4401);
});

Deno.test("every frame that a session sends is of a schema of the protocol", async () => {
  await using chat = serveChat();
  const ann = await chat.connect(1, "room=lobby");
  const bob = await chat.connect(2, "");
  const frames = [
    { type: "ping" },
    { type: "chat", body: "hello" },
    { type: "typing" },
    { type: "signal", data: null },
    { type: "join", room: "two" },
    { type: "dm", to: userId(2), body: "psst" },
    { type: "history" },
    { type: "get_unread_count" },
    { type: "get_unread_count", community_id: "lobby" },
    { type: "leave", room: "two" },
    { type: "nonsense" },
  ];
  for (const frame of frames) ann.sendJson(frame);
  const direct = await bob.nextOfType("new_message") as { message: { id: string } };
  bob.sendJson({ type: "mark_read", message_id: direct.message.id });
  bob.sendJson({ type: "react", message_id: direct.message.id, emoji: "👍" });
  ann.sendJson({ type: "edit", message_id: direct.message.id, body: "psst!" });
  await bob.nextOfType("message_edited");
  ann.sendJson({ type: "delete", message_id: direct.message.id });
  await ann.nextOfType("message_deleted");
  for (const frame of [chat.store, ...ann.waiting, ...bob.waiting, ann.first, bob.first].slice(1)) {
    ChatServerFrame.parse(typeof frame === "string" ? JSON.parse(frame) : frame);
  }
  await ann.close();
  await bob.close();
  assertEquals(chat.errors, []);
});

Deno.test("a mark that is no news is answered to the connection that sent it, and nobody else hears of it", async () => {
  const inner = memoryBus();
  const published: string[] = [];
  const publish = (topic: string, text: string) => {
    const kind = /"kind":"(event|head|user)"/.exec(text)?.[1];
    if (kind !== undefined) published.push(kind);
    inner.publish(topic, text);
  };
  await using chat = serveChat({ bus: { ...inner, publish } });
  const [ann, bob, elsewhere] = [
    await chat.connect(1, "room=lobby"),
    await chat.connect(2, "room=lobby"),
    await chat.connect(2, "room=lobby"),
  ];
  const countsOf = async (client: typeof bob) => [
    (await client.nextOfType("unread_count")).room,
    (await client.nextOfType("unread_count")).room,
  ];
  ann.sendJson({ type: "chat", body: "hello" });
  const { message } = await bob.nextOfType("new_message") as { message: { id: string } };
  bob.sendJson({ type: "mark_read", message_id: message.id });
  for (const client of [bob, elsewhere]) assertEquals(await countsOf(client), ["lobby", undefined]);
  assertEquals(published.splice(0).slice(-3), ["event", "user", "user"]);
  bob.sendJson({ type: "mark_read", message_id: message.id });
  await bob.nextOfType("ack");
  assertEquals(await countsOf(bob), ["lobby", undefined]);
  assertEquals(published, []);
  elsewhere.sendJson({ type: "get_unread_count", ref: "asked" });
  assertEquals((await elsewhere.nextOfType("unread_count")).ref, "asked");
  for (const client of [ann, bob, elsewhere]) await client.close();
});

function write(user: number, room: string, body: string) {
  return { kind: "message", actor: { id: userId(user) }, room, body } as const;
}

Deno.test("direct messages beside a room are resumed too, from where connection said they were", async () => {
  await using chat = serveChat();
  await using bob = await chat.connect(2, "room=lobby");
  bob.sendJson({ type: "dm", to: userId(1), body: "before" });
  const { room, seq } = await bob.nextOfType("ack") as { room: string; seq: number };
  const ann = await chat.connect(1, "room=lobby");
  assertEquals(Object.entries(ann.first.rooms as Record<string, { seq: number }>).map(([id, at]) => [id, at.seq]), [[
    room,
    seq,
  ]]);
  const { epoch } = (ann.first.rooms as Record<string, { epoch: string }>)[room]!;
  await ann.close();
  for (const body of ["while away 1", "while away 2"]) bob.sendJson({ type: "dm", to: userId(1), body });
  await bob.nextOfType("ack");
  await bob.nextOfType("ack");
  await using again = await chat.connect(1, "room=lobby");
  again.sendJson({ type: "resume", rooms: { [room]: { since: seq, epoch } } });
  bob.sendJson({ type: "dm", to: userId(1), body: "now" });
  assertEquals((await again.nextOfType("joined")).resumed, true);
  for (const body of ["while away 1", "while away 2", "now"]) {
    assertEquals((await again.nextOfType("new_message") as { message: { body: string } }).message.body, body);
  }
});

Deno.test("an inbox that joins a room by name is seen in it, also where it heard of it before", async () => {
  await using chat = serveChat();
  await using bob = await chat.connect(2, "room=lobby");
  await (await chat.connect(1, "room=lobby")).close();
  await bob.nextOfType("presence");
  await using inbox = await chat.connect(1);
  inbox.sendJson({ type: "resume", rooms: {} });
  await inbox.nextOfType("joined");
  inbox.sendJson({ type: "join", room: "lobby" });
  const { members } = await inbox.nextOfType("joined") as { members: { user_id: string }[] };
  assertEquals(members.map(({ user_id }) => user_id).sort(), [userId(1), userId(2)]);
});
