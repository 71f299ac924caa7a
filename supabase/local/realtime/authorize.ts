import type { Database } from "../open_database.ts";
import type { Identity } from "./identify.ts";

/** What the policies on `realtime.messages` allow on a topic. */
export interface Permissions {
  broadcast: boolean;
  presence: boolean;
}

/** Who asks for what. */
export interface Access {
  identity: Identity;
  /** As `realtime.topic()` gives it: without `realtime:`. */
  topic: string;
  /** The headers of the request that opened the connection, as `request.headers` gives them. */
  headers: Readonly<Record<string, unknown>>;
}

/** Asks the database, as a hosted project does: by rows that are tried on the policies and taken back. */
export interface Authorize {
  /** Whether messages and presence of the topic may be received. @throws what the policies throw */
  read(access: Access): Promise<Permissions>;
  /** Whether they may be sent. @throws what the policies throw */
  write(access: Access): Promise<Permissions>;
}

/** Makes both checks on a database that has Realtime's schema. */
export function createAuthorize(database: Database): Authorize {
  const ask = async (name: "may_read" | "may_write", { identity, topic, headers }: Access): Promise<Permissions> => {
    const [row] = await database.query(`select broadcast, presence from realtime_local.${name}($1, $2, $3)`, [
      topic,
      JSON.stringify(identity.claims),
      JSON.stringify(headers),
    ]);
    return { broadcast: row!.broadcast === true, presence: row!.presence === true };
  };
  return { read: (access) => ask("may_read", access), write: (access) => ask("may_write", access) };
}
