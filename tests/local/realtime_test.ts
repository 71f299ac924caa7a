import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { SignJWT } from "jose";
import type { LocalOptions } from "../../supabase/local/start_local.ts";
import { eventually } from "../support/eventually.ts";
import { requires } from "../support/requires.ts";
import { signUp } from "../support/sign_up.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { startPostgres } from "../support/start_postgres.ts";
import { within } from "../support/within.ts";
import { NO_FUNCTIONS, NO_MIGRATIONS } from "./fixtures/mod.ts";
import { realtimeClient, subscribe } from "./realtime_client.ts";

const OPTIONS: LocalOptions = { functionsDir: NO_FUNCTIONS };

/** realtime-js keeps a timer for each message that has no answer, until its timeout. */
const LEAVES_TIMERS = { sanitizeOps: false, sanitizeResources: false };

const VERSIONS = ["1.0.0", "2.0.0"];

Deno.test({
  name: "Realtime speaks its protocol with real supabase-js",
  ...LEAVES_TIMERS,
  fn: async (t) => {
    await using local = await startTestLocal({ ...OPTIONS, migrationsDir: NO_MIGRATIONS });
    await testProtocol(t, local);
  },
});

Deno.test({
  name: "private channels and messages from SQL, on PGlite",
  ...LEAVES_TIMERS,
  fn: async (t) => {
    await using local = await startTestLocal(OPTIONS);
    await testDatabase(t, local);
  },
});

const postgresql = requires("postgresql");
Deno.test({
  name: `private channels and messages from SQL, on PostgreSQL${postgresql.suffix}`,
  ignore: postgresql.ignore,
  ...LEAVES_TIMERS,
  fn: async (t) => {
    await using server = await startPostgres(postgresql.path);
    await using local = await startTestLocal({ ...OPTIONS, databaseUrl: server.url });
    await testDatabase(t, local);

    await t.step("a connection that listens to the database and is lost is made again", async () => {
      await using service = realtimeClient(local, { key: local.secretKey });
      const room = await service.join("lost", { private: true });
      await local.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen realtime_messages'",
      );
      await eventually("a message of the database arrives again", async () => {
        await local.sql("select realtime.send('{}', 'again', 'lost', true)");
        return room.received.length > 0;
      }, { everyMs: 100 });
    });
  },
});

async function testProtocol(t: Deno.TestContext, local: TestLocal): Promise<void> {
  for (const writer of VERSIONS) {
    for (const reader of VERSIONS) {
      await t.step(`a broadcast of ${writer} reaches ${reader}, and not its sender`, async () => {
        await using a = realtimeClient(local, { vsn: writer });
        await using b = realtimeClient(local, { vsn: reader });
        const [from, to] = [await a.join("hall"), await b.join("hall")];
        assertEquals([from.statuses, to.statuses], [["SUBSCRIBED"], ["SUBSCRIBED"]]);
        const payload = { text: "grüße 👋", nested: [1, { deep: true }] };
        await from.channel.send({ type: "broadcast", event: "said", payload });
        assertEquals(await to.broadcasts(1), [{ type: "broadcast", event: "said", payload } as never]);
        await to.channel.send({ type: "broadcast", event: "answered", payload: {} });
        assertEquals((await from.broadcasts(1)).map(({ event }) => event), ["answered"]);
      });
    }

    await t.step(`with ack a send is answered, with self it comes back (${writer})`, async () => {
      await using client = realtimeClient(local, { vsn: writer });
      const room = await client.join("self", { broadcast: { ack: true, self: true } });
      assertEquals(await room.channel.send({ type: "broadcast", event: "x", payload: { n: 1 } }), "ok");
      assertEquals((await room.broadcasts(1))[0]!.payload, { n: 1 });
    });
  }

  await t.step("bytes arrive as bytes; clients of 1.0.0 get what they can read", async () => {
    await using a = realtimeClient(local);
    await using b = realtimeClient(local);
    await using old = realtimeClient(local, { vsn: "1.0.0" });
    const [from, to, toOld] = [await a.join("bytes"), await b.join("bytes"), await old.join("bytes")];
    const bytes = Uint8Array.from({ length: 1_000 }, (_, i) => i % 256);
    await from.channel.send({ type: "broadcast", event: "audio", payload: bytes.buffer });
    await from.channel.send({ type: "broadcast", event: "text", payload: {} });
    const received = await to.broadcasts(2);
    assertEquals(new Uint8Array(received[0]!.payload as ArrayBuffer), bytes);
    assertEquals((await toOld.broadcasts(1)).map(({ event }) => event), ["text"]);
  });

  await t.step("over REST, without a socket: a batch, one message, and bytes", async () => {
    await using a = realtimeClient(local);
    await using b = realtimeClient(local);
    const room = await a.join("rest/with ü");
    const sender = b.supabase.channel("rest/with ü");
    assertEquals(await sender.httpSend("one", { n: 1 }), { success: true });
    assertEquals(await sender.httpSend("bytes", new Uint8Array([1, 2])), { success: true });
    const answer = await fetch(`${local.url}/realtime/v1/api/broadcast`, {
      method: "POST",
      headers: { apikey: local.publishableKey, "content-type": "application/json" },
      body: JSON.stringify({ messages: [{ topic: "rest/with ü", event: "batch", payload: { n: 3 } }] }),
    });
    assertEquals([answer.status, await answer.text()], [202, ""]);
    const received = await room.broadcasts(3);
    assertEquals(received.map(({ event }) => event), ["one", "bytes", "batch"]);
    assertEquals([received[0]!.payload, received[2]!.payload], [{ n: 1 }, { n: 3 }]);
  });

  await t.step("presence: both see who is there, updates, and who left", async () => {
    await using a = realtimeClient(local);
    await using b = realtimeClient(local);
    const [one, two] = [
      a.channel("lobby", { presence: { key: "ada" } }),
      b.channel("lobby", { presence: { key: "ben" } }),
    ];
    const left: unknown[] = [];
    for (const { channel } of [one, two]) channel.on("presence", { event: "sync" }, () => {});
    one.channel.on(
      "presence",
      { event: "leave" },
      ({ key, leftPresences }) => left.push([key, leftPresences[0]?.mood]),
    );
    subscribe(one);
    await one.status(0);
    assertEquals(await one.channel.track({ mood: "good" }), "ok");
    subscribe(two);
    await two.status(0);
    await eventually("the second sees the first", () => two.channel.presenceState().ada?.length === 1);
    await two.channel.track({ mood: "new" });
    await two.channel.track({ mood: "better" });
    const moods = () => one.channel.presenceState<{ mood: string }>().ben?.map(({ mood }) => mood).join();
    await eventually("the first sees the update", () => moods() === "better");
    assertEquals(left.splice(0), [["ben", "new"]]);
    await two.channel.untrack();
    await eventually("the first sees the second go", () => moods() === undefined);
    assertEquals(left, [["ben", "better"]]);
    await one.channel.track({ mood: "back" });
    assertEquals(Object.keys(two.channel.presenceState()), ["ada"]);
    await a.supabase.removeChannel(one.channel);
    await eventually("who leaves is present no longer", () => Object.keys(two.channel.presenceState()).length === 0);
  });

  await t.step(
    "after a lost connection supabase-js joins again; after phx_error too; after phx_close it stays away",
    async () => {
      await using a = realtimeClient(local);
      await using b = realtimeClient(local);
      const [one, two] = [await a.join("cut"), await b.join("cut")];
      assert(local.realtime.faults.cutSockets() >= 2);
      assertMatch(await one.status(1), /^CHANNEL_ERROR/);
      for (const room of [one, two]) assertEquals(await room.status(2), "SUBSCRIBED");
      await one.channel.send({ type: "broadcast", event: "after", payload: {} });
      assertEquals((await two.broadcasts(1)).map(({ event }) => event), ["after"]);
      assertEquals(local.realtime.faults.failChannels("cut"), 2);
      assertMatch(await two.status(3), /^CHANNEL_ERROR/);
      assertEquals(await two.status(4), "SUBSCRIBED");
      await one.status(4);
      assertEquals(local.realtime.faults.closeChannels("cut"), 2);
      assertEquals(await one.status(5), "CLOSED");
      assertEquals(one.channel.state, "closed");
    },
  );

  await t.step("a join that asks for Postgres Changes succeeds, and is told that there are none", async () => {
    await using client = realtimeClient(local);
    const room = client.channel("changes");
    room.channel.on("postgres_changes", { event: "*", schema: "public", table: "rooms" }, () => {});
    subscribe(room);
    assertEquals(await room.status(0), "SUBSCRIBED");
    await eventually("the client is told", () => room.system.length > 0);
    assertEquals(room.system, ["Unable to subscribe to changes: this local Realtime has no Postgres Changes"]);
  });

  await t.step("who leaves hears nothing more, and may come back", async () => {
    await using a = realtimeClient(local);
    await using b = realtimeClient(local);
    const [one, two] = [await a.join("door"), await b.join("door")];
    assertEquals(await b.supabase.removeChannel(two.channel), "ok");
    await one.channel.httpSend("unheard", {});
    const again = await b.join("door");
    await one.channel.httpSend("heard", {});
    assertEquals((await again.broadcasts(1)).map(({ event }) => event), ["heard"]);
    assertEquals(two.received, []);
  });

  await t.step("the 101st channel of a connection is refused", async () => {
    await using client = realtimeClient(local);
    const joined = await Promise.all(Array.from({ length: 100 }, (_, i) => client.join(`many:${i}`)));
    assertEquals(joined.filter(({ statuses }) => statuses[0] === "SUBSCRIBED").length, 100);
    const { statuses } = await client.join("one too many");
    assertEquals(statuses[0], "CHANNEL_ERROR: ChannelRateLimitReached: Too many channels");
    await client.supabase.removeChannel(joined[0]!.channel);
    assertEquals((await client.join("now there is room")).statuses, ["SUBSCRIBED"]);
  });

  await t.step("nothing is left when all have gone", async () => {
    const none = { connections: 0, channels: 0 };
    await eventually("all connections are gone", () => JSON.stringify(local.realtime.count()) === JSON.stringify(none));
  });
}

async function testDatabase(t: Deno.TestContext, local: TestLocal): Promise<void> {
  const ada = await signUp(local, "ada");
  const ben = await signUp(local, "ben");
  await local.sql(`
    create policy "ada reads" on realtime.messages for select to authenticated
      using (realtime.topic() = 'team' and auth.uid() = '${ada.userId}');
    create policy "ada writes" on realtime.messages for insert to authenticated
      with check (realtime.topic() in ('team', 'news') and auth.uid() = '${ada.userId}');
    create policy "all read the news" on realtime.messages for select to authenticated
      using (realtime.topic() = 'news' and extension = 'broadcast');
  `);

  await t.step("a private channel opens to whom the policies allow it, and to the service role", async () => {
    await using adas = realtimeClient(local, { token: ada.accessToken });
    await using bens = realtimeClient(local, { token: ben.accessToken });
    await using visitor = realtimeClient(local);
    await using service = realtimeClient(local, { key: local.secretKey });
    await using legacy = realtimeClient(local, { key: local.serviceRoleKey });
    const room = await adas.join("team", { private: true, broadcast: { ack: true } });
    assertEquals(room.statuses, ["SUBSCRIBED"]);
    assertEquals((await service.join("team", { private: true })).statuses, ["SUBSCRIBED"]);
    assertEquals((await legacy.join("team", { private: true })).statuses, ["SUBSCRIBED"]);
    for (const stranger of [bens, visitor]) {
      const { statuses } = await stranger.join("team", { private: true });
      assertMatch(statuses[0]!, /CHANNEL_ERROR: Unauthorized: You do not have permissions to read from this .*: team$/);
    }
    assertEquals(await room.channel.send({ type: "broadcast", event: "x", payload: {} }), "ok");
  });

  await t.step("a private topic is another one than the public one of its name", async () => {
    await using adas = realtimeClient(local, { token: ada.accessToken });
    await using visitor = realtimeClient(local);
    const [secret, open] = [await adas.join("team", { private: true }), await visitor.join("team")];
    await open.channel.send({ type: "broadcast", event: "public", payload: {} });
    await open.channel.httpSend("public", {});
    await secret.channel.send({ type: "broadcast", event: "private", payload: {} });
    await secret.channel.httpSend("private", {});
    await secret.channel.httpSend("last", {});
    await open.channel.httpSend("last", {});
    assertEquals((await secret.broadcasts(2)).map(({ event }) => event), ["private", "last"]);
    assertEquals((await open.broadcasts(2)).map(({ event }) => event), ["public", "last"]);
  });

  await t.step("who may read only sends in vain, without an answer, and by REST with a refusal", async () => {
    await using bens = realtimeClient(local, { token: ben.accessToken, timeout: 300 });
    await using adas = realtimeClient(local, { token: ada.accessToken });
    await using service = realtimeClient(local, { key: local.secretKey });
    const [from, to] = [
      await bens.join("news", { private: true, broadcast: { ack: true } }),
      await adas.join("news", { private: true }),
    ];
    assertEquals(await from.channel.send({ type: "broadcast", event: "x", payload: {} }), "timed out");
    assertEquals(await from.channel.track({ here: true }), "error");
    const refused = await from.channel.httpSend("x", {}).catch((error: Error) => error.message);
    assertEquals(refused, "Unauthorized");
    await service.supabase.channel("news", { config: { private: true } }).httpSend("y", { n: 1 });
    assertEquals((await to.broadcasts(1)).map(({ event }) => event), ["y"]);
  });

  await t.step("realtime.send() in SQL arrives, from a transaction that commits only", async () => {
    await using service = realtimeClient(local, { key: local.secretKey });
    await using old = realtimeClient(local, { key: local.secretKey, vsn: "1.0.0" });
    await using visitor = realtimeClient(local);
    const [room, oldRoom] = [await service.join("sql", { private: true }), await old.join("sql", { private: true })];
    const open = await visitor.join("sql");
    await local.sql(`do $$ begin
      begin perform realtime.send('{"n": 0}', 'undone', 'sql', true); raise sqlstate 'XX001'; exception when sqlstate 'XX001' then end;
      perform realtime.send('{"n": 1}', 'done', 'sql', true);
      perform realtime.send('{"id": "mine"}', 'done', 'sql', true);
      perform realtime.send('{"n": 3}', 'open', 'sql', false);
      perform realtime.send(jsonb_build_object('text', repeat('x', 20000)), 'long', 'sql', true);
    end $$`);
    for (const received of [await room.broadcasts(3), await oldRoom.broadcasts(3)]) {
      const [first, second, long] = received as { event: string; payload: Record<string, string> }[];
      assertEquals(received.map(({ event }) => event), ["done", "done", "long"]);
      assertEquals([first!.payload.n, second!.payload.id, long!.payload.text!.length], [1 as never, "mine", 20_000]);
      assertEquals(first!.payload.id, received[0]!.meta!.id);
    }
    assertEquals((await open.broadcasts(1)).map(({ event }) => event), ["open"]);
  });

  await t.step(
    "what grows a room's log in the database is hinted to the service role on the room's topic",
    async () => {
      await using service = realtimeClient(local, { key: local.secretKey });
      const hints = await service.join("edge-sockets:room:hinted", { private: true });
      await ada.supabase.rpc("create_room", { kind: "public", id: "hinted" });
      const sent = await ada.supabase.rpc("send_message", { room: "hinted", body: "hello" });
      assertEquals(sent.error, null);
      const received = (await hints.broadcasts(2)) as { event: string; payload: { room: string; seq: number } }[];
      assertEquals(received.map(({ event }) => event), ["grown", "grown"]);
      assertEquals([received[1]!.payload.room, received[1]!.payload.seq], ["hinted", sent.data.seq]);
    },
  );

  await t.step("a new token counts at once: rights that are gone end the channel, and it stays away", async () => {
    await using client = realtimeClient(local, { token: ada.accessToken });
    await using other = realtimeClient(local, { token: ada.accessToken });
    const [room, second] = [await client.join("team", { private: true }), await other.join("team", { private: true })];
    assertEquals(room.statuses, ["SUBSCRIBED"]);
    await client.setToken(await tokenFor(local, ada.userId));
    await room.channel.send({ type: "broadcast", event: "still here", payload: {} });
    assertEquals((await second.broadcasts(1)).map(({ event }) => event), ["still here"]);
    await client.setToken(ben.accessToken);
    assertEquals(await room.status(1), "CLOSED");
    assertEquals(room.system, ["You do not have permissions to read from this Channel topic: team"]);
  });

  await t.step("what may be sent is asked again with a new token", async () => {
    await using client = realtimeClient(local, { token: ada.accessToken, timeout: 500 });
    const room = await client.join("news", { private: true, broadcast: { ack: true } });
    assertEquals(await room.channel.send({ type: "broadcast", event: "x", payload: {} }), "ok");
    await client.setToken(ben.accessToken);
    assertEquals(await room.channel.send({ type: "broadcast", event: "x", payload: {} }), "timed out");
    assertEquals(room.statuses, ["SUBSCRIBED"]);
  });

  await t.step("a token that expires ends its channel with the reason; one that has expired joins none", async () => {
    await using client = realtimeClient(local, { token: await tokenFor(local, ada.userId, 2) });
    const room = await client.join("team", { private: true });
    assertEquals(room.statuses, ["SUBSCRIBED"]);
    assertEquals(await room.status(1), "CLOSED");
    assertMatch(room.system[0]!, /^Token has expired \d+ seconds ago$/);
    const late = await client.join("any");
    assertMatch(late.statuses[0]!, /^CHANNEL_ERROR: InvalidJWTToken: Token has expired \d+ seconds ago$/);
  });

  await t.step("tokens of another project and keys that are none are refused", async () => {
    await using client = realtimeClient(local, { token: await tokenFor({ jwtSecret: "x".repeat(32) }, ada.userId) });
    assertMatch((await client.join("any")).statuses[0]!, /JwtSignatureError: Failed to validate JWT signature/);
    for (const apikey of ["", "sb_publishable_wrong", ada.accessToken]) {
      const answer = await fetch(`${local.url}/realtime/v1/api/broadcast`, { method: "POST", headers: { apikey } });
      assertEquals([answer.status, await answer.json()], [401, { error: "Invalid API key" }]);
      const socket = new WebSocket(
        `${local.url.replace("http", "ws")}/realtime/v1/websocket?apikey=${apikey}&vsn=2.0.0`,
      );
      const closed = Promise.withResolvers<CloseEvent>();
      socket.onclose = closed.resolve;
      assertNotEquals((await within("the socket is refused", closed.promise)).code, 1000);
    }
  });
}

/** A user's token with the project's own signature. */
function tokenFor({ jwtSecret }: { jwtSecret: string }, userId: string, lifetimeS = 3_600): Promise<string> {
  return new SignJWT({ role: "authenticated", jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(userId)
    .setExpirationTime(Math.floor(Date.now() / 1000) + lifetimeS)
    .sign(new TextEncoder().encode(jwtSecret));
}
