import { isRecord } from "./is_record.ts";

/** What a client asks for when it joins. */
export interface JoinConfig {
  isPrivate: boolean;
  /** Whether its own broadcasts come back to it. */
  self: boolean;
  /** Whether its broadcasts are answered. */
  ack: boolean;
  /** The key under which its presence is tracked. */
  presenceKey: string;
  /** Whether it gets the state of presence first. */
  presenceEnabled: boolean;
  /** The tables it listens to, as it names them. */
  postgresChanges: readonly Readonly<Record<string, unknown>>[];
}

/** Reads the payload of a join. What is missing or of another type counts as not asked for. */
export function readJoinConfig(payload: Readonly<Record<string, unknown>>): JoinConfig {
  const config = recordOf(payload.config);
  const broadcast = recordOf(config.broadcast);
  const presence = recordOf(config.presence);
  return {
    isPrivate: isTrue(config.private),
    self: isTrue(broadcast.self),
    ack: isTrue(broadcast.ack),
    presenceKey: typeof presence.key === "string" && presence.key !== "" ? presence.key : crypto.randomUUID(),
    presenceEnabled: isTrue(presence.enabled),
    postgresChanges: Array.isArray(config.postgres_changes) ? config.postgres_changes.filter(isRecord) : [],
  };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}

function isTrue(value: unknown): boolean {
  return value === true || (typeof value === "string" && value.toLowerCase() === "true");
}
