import { assert, assertEquals } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { requires } from "../support/requires.ts";
import { signUp } from "../support/sign_up.ts";
import { openSocket } from "../support/socket.ts";
import { startTestLocal } from "../support/start_local.ts";
import { startPostgres } from "../support/start_postgres.ts";

const postgresql = requires("postgresql");

Deno.test({
  name:
    `the database is killed in the middle: what was sent is acknowledged after, or refused and may be sent again; nothing is doubled or lost${postgresql.suffix}`,
  ignore: postgresql.ignore,
  async fn() {
    await using postgres = await startPostgres(postgresql.path);
    await using local = await startTestLocal({ databaseUrl: postgres.url });
    const [ann, bob] = [await signUp(local, "ann"), await signUp(local, "bob")];
    const room = `crash-${crypto.randomUUID()}`;
    const open = (token: string) => openSocket(local.socketUrl(`chat?room=${room}&jwt=${token}`));
    await using annSocket = await open(ann.accessToken);
    await using bobSocket = await open(bob.accessToken);
    await bobSocket.nextOfType("connection");

    const send = (clientId: string) => annSocket.sendJson({ type: "chat", body: clientId, client_id: clientId });
    const acked = new Map<string, string>();
    const refused: string[] = [];
    const reading = (async () => {
      while (acked.size < 300) {
        const frame = await annSocket.nextJson() as { type: string; client_id?: string; id?: string; ref?: string };
        if (frame.type === "ack") acked.set(frame.client_id!, frame.id!);
        if (frame.type !== "error") continue;
        assertEquals((frame as { code?: string }).code, "store_unavailable");
        refused.push(frame.ref!);
        send(frame.ref!);
      }
    })();
    for (let n = 0; n < 300; n++) {
      send(`m-${n}`);
      if (n === 100) await postgres.crash();
      if (n === 200) setTimeout(() => void postgres.restart(), 500);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await eventually("everything is acknowledged", () => acked.size === 300, { deadlineMs: 40_000 });
    await reading;

    // The driver may give what a connection died of to the first query after it.
    const stored = () => local.sql("select client_id, id from messages where room_id = $1 order by seq", [room]);
    const rows = await eventually("the log can be read", () => stored().catch(() => undefined));
    assertEquals(rows.length, 300, "each is stored once");
    assertEquals(
      new Map(rows.map(({ client_id, id }) => [String(client_id), String(id)])),
      new Map([...acked].sort(
        ([a], [b]) => rows.findIndex((row) => row.client_id === a) - rows.findIndex((row) => row.client_id === b),
      )),
    );
    const heard: string[] = [];
    while (heard.length < 300) {
      const { message } = await bobSocket.nextOfType("new_message") as { message: { body: string } };
      heard.push(message.body);
    }
    assertEquals(heard, rows.map(({ client_id }) => client_id), "bob heard each, in the order of the log");
    assert(annSocket.socket.readyState === WebSocket.OPEN && bobSocket.socket.readyState === WebSocket.OPEN);
  },
});
