import type { Database } from "../open_database.ts";
import type { UserBroadcast } from "./broadcast.ts";
import { MESSAGES_CHANNEL } from "./realtime_schema.ts";
import type { TopicName } from "./topics.ts";

/** A message that `realtime.send` or an insert wrote. */
interface MessageRow {
  id: string;
  topic: string;
  private: boolean | null;
  event: string;
  payload: string | null;
  binary_payload: Uint8Array | null;
}

/**
 * Hands on what is written to `realtime.messages`, in the order of the commits. What came in while the rows before were
 * read is read together.
 */
export async function forwardMessages(
  database: Database,
  { publish, log }: { publish: (topic: TopicName, broadcast: UserBroadcast) => void; log: (line: string) => void },
): Promise<void> {
  let waiting: string[] = [];
  let isReading = false;

  await database.listen(MESSAGES_CHANNEL, (id) => {
    waiting.push(id);
    void readWaiting();
  });

  async function readWaiting(): Promise<void> {
    if (isReading) return;
    isReading = true;
    try {
      while (waiting.length > 0) {
        const ids = waiting;
        waiting = [];
        for (const row of await readRows(database, ids)) publish(...asBroadcast(row));
      }
    } catch (error) {
      log(`messages of the database are lost: ${(error as Error).message}`);
    } finally {
      isReading = false;
    }
  }
}

async function readRows(database: Database, ids: readonly string[]): Promise<MessageRow[]> {
  const rows = await database.query(
    `select id::text, topic, private, event, payload::text, binary_payload from realtime.messages
      where id = any (string_to_array($1, ',')::uuid[])`,
    [ids.join()],
  ) as unknown as MessageRow[];
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

function asBroadcast(row: MessageRow): [TopicName, UserBroadcast] {
  const { id, topic, event, payload, binary_payload } = row;
  return [{ topic, isPrivate: row.private === true }, {
    form: "user",
    event,
    encoding: binary_payload ? "binary" : "json",
    payload: binary_payload ?? new TextEncoder().encode(payload ?? "null"),
    meta: { id },
  }];
}
