import { assertEquals } from "@std/assert";
import type { LocalOptions } from "../../supabase/local/start_local.ts";
import { eventually } from "../support/eventually.ts";
import { requires } from "../support/requires.ts";
import { seededRandom, seedOfRun } from "../support/seeded_random.ts";
import { type SignedUp, signUp } from "../support/sign_up.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { startPostgres } from "../support/start_postgres.ts";
import { RoomClient } from "./room_client.ts";

const CLIENTS = 20;
const ROOMS = 5;
const MESSAGES = 5_000;
/** Messages of one client that may wait for their ack. */
const IN_FLIGHT = 20;

const postgresql = requires("postgresql");

Deno.test("the gap test on PGlite: nothing lost, doubled or out of order over random disconnects", async () => {
  await gapTest({});
});

Deno.test({
  name: `the gap test on PostgreSQL: nothing lost, doubled or out of order over random disconnects${postgresql.suffix}`,
  ignore: postgresql.ignore,
  async fn() {
    await using postgres = await startPostgres(postgresql.path);
    await gapTest({ databaseUrl: postgres.url });
  },
});

/**
 * 20 clients in 5 rooms send 5,000 messages; each breaks off, comes back, sends a message twice and refreshes its token
 * when its dice say so. In the end what each client saw of each room is the database's log, gapless, in order, once.
 */
async function gapTest(options: LocalOptions): Promise<void> {
  const seed = seedOfRun();
  // deno-lint-ignore no-console -- a run that fails must be told how to repeat it
  console.log(`seed ${seed}`);
  await using local = await startTestLocal({ ...options, isolates: 1, env: { MESSAGES_PER_SECOND: "2000" } });
  const users = await Promise.all(Array.from({ length: CLIENTS }, (_, n) => signUp(local, `user${n}`)));
  const rooms = Array.from({ length: ROOMS }, (_, n) => `gap-${seed}-${n}`);
  const clients = await Promise.all(users.map((user, n) => runClient(local, user, rooms, n, seed)));

  for (const room of rooms) {
    const log = await local.sql(
      "select e.seq, e.kind, m.id, m.body from room_events e left join messages m on m.id = e.message_id where e.room_id = $1 order by e.seq",
      [room],
    ) as { seq: number | string; kind: string; id: string; body: string }[];
    const expected = log.map(({ seq, kind, id, body }) => kind === "message" ? [Number(seq), id, body] : [Number(seq)]);
    assertEquals(expected.map(([seq]) => seq), expected.map((_, index) => index + 1), `seed ${seed}: a gap in ${room}`);
    for (const client of clients) {
      const [begin, ...seen] = await eventually(`a client has all of ${room} (seed ${seed})`, () => {
        const events = client.logs.get(room)!;
        return events.at(-1)!.seq === expected.length && events;
      });
      const shown = seen.map(({ seq, id, body }) => id === undefined ? [seq] : [seq, id, body]);
      assertEquals(shown, expected.slice(begin!.seq), `seed ${seed}: what a client saw of ${room}`);
    }
  }
  const stored = await local.sql("select client_id from messages where room_id like $1", [`gap-${seed}-%`]);
  assertEquals(stored.length, MESSAGES, `seed ${seed}: each message is stored once`);
  for (const client of clients) {
    assertEquals([client.unexpected, client.acks.size], [[], MESSAGES / CLIENTS], `seed ${seed}`);
    await client.breakOff();
  }
}

async function runClient(local: TestLocal, user: SignedUp, rooms: string[], n: number, seed: number) {
  const random = seededRandom(seed + n);
  let token = user.accessToken;
  const client = new RoomClient(rooms, (room, query) => local.socketUrl(`chat?room=${room}&jwt=${token}${query}`));
  await client.connect();
  await eventually("all rooms are joined", () => rooms.every((room) => client.logs.get(room)!.length > 0));
  for (let sent = 0; sent < MESSAGES / CLIENTS; sent++) {
    const room = rooms[Math.floor(random() * rooms.length)]!;
    const clientId = `${n}-${sent}`;
    client.say(room, `${clientId} ${"x".repeat(Math.floor(random() * 200))}`, clientId);
    const dice = random();
    if (dice < 0.03) {
      await client.breakOff();
      await new Promise((resolve) => setTimeout(resolve, random() * 100));
      await client.connect();
    } else if (dice < 0.08) client.sendJson({ type: "chat", room, body: "a double", client_id: clientId });
    else if (dice < 0.1) {
      const { data } = await user.supabase.auth.refreshSession();
      token = data.session!.access_token;
      client.sendJson({ type: "refresh", jwt: token });
    }
    await eventually("acks come", () => client.waiting < IN_FLIGHT, { deadlineMs: 30_000, everyMs: 5 });
  }
  await eventually("all acks have come", () => client.waiting === 0, { deadlineMs: 30_000 });
  return client;
}
