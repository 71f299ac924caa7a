import { seededRandom } from "../support/seeded_random.ts";
import type { BroadcastFaults } from "../../supabase/local/realtime/faulty_delivery.ts";

/** What joins the isolates of a run. */
export type BusName = "memory" | "redis" | "realtime";

/**
 * What can go wrong: an isolate is killed without notice; the connection of one client is cut; Redis stands still for a
 * while, or Realtime loses all its connections; PostgreSQL is killed and started again; the store answers late for a while.
 */
export type FaultKind = "kill" | "cut" | "bus" | "database" | "store";

/** A change of the deployed code that breaks a promise: `find` must occur exactly once in the file. */
export interface Patch {
  /** From the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** One run: who says how much, on what, and what goes wrong meanwhile. */
export interface Scenario {
  /** Decides the traffic and when what goes wrong. */
  readonly seed: number;
  readonly bus: BusName;
  readonly isolates: number;
  /** An isolate's life, in ms. */
  readonly wallClockMs: number;
  readonly clients: number;
  readonly rooms: number;
  /** How many of the rooms each client is in. */
  readonly roomsPerClient: number;
  readonly messages: number;
  /** The messages are spread over this time, and so are the faults. */
  readonly durationMs: number;
  /** Clients that go for good when they lose their connection, so that nobody says goodbye for them; the last ones. */
  readonly leavers?: number;
  /** What the bus does to what it carries. */
  readonly busFaults?: Omit<BroadcastFaults, "random">;
  /** How often each fault comes, in ms on average; one that is left out never comes. */
  readonly every?: Partial<Readonly<Record<FaultKind, number>>>;
  /** Default: the code as it is. */
  readonly patches?: readonly Patch[];
}

/** A fault, and when it comes. */
export interface PlannedFault {
  readonly atMs: number;
  readonly kind: FaultKind;
  /** From 0 to 1: which of those that it can hit, or how long it lasts. */
  readonly pick: number;
}

/** A message that is to be sent. */
export interface PlannedMessage {
  readonly atMs: number;
  /** The number of the client. */
  readonly client: number;
  /** The number of the room. */
  readonly room: number;
  /** Names it, and is in its text. */
  readonly clientId: string;
  readonly body: string;
}

/** The numbers of the rooms that a client is in, its own room first: neighbours, so that rooms differ in who is in them. */
export function roomsOf({ rooms, roomsPerClient }: Scenario, client: number): number[] {
  return Array.from({ length: Math.min(rooms, roomsPerClient) }, (_, i) => (client + i) % rooms);
}

/** When what goes wrong, in order: the same for the same scenario. */
export function planFaults({ seed, durationMs, every = {} }: Scenario): PlannedFault[] {
  const random = seededRandom(seed ^ 0x5eed);
  const kinds = Object.entries(every) as [FaultKind, number][];
  const faults = kinds.flatMap(([kind, everyMs]) =>
    Array.from({ length: Math.floor(durationMs / everyMs) }, (_, i) => ({
      atMs: Math.round(everyMs * (i + 0.25 + random() / 2)),
      kind,
      pick: random(),
    }))
  );
  return faults.sort((a, b) => a.atMs - b.atMs);
}

/** Who says what where and when, in order: the same for the same scenario. */
export function planTraffic(scenario: Scenario): PlannedMessage[] {
  const { seed, messages, clients, durationMs } = scenario;
  const random = seededRandom(seed);
  const counts = new Array<number>(clients).fill(0);
  return Array.from({ length: messages }, (_, i) => {
    const client = Math.floor(random() * clients);
    const rooms = roomsOf(scenario, client);
    const clientId = `${client}-${counts[client]!++}`;
    return {
      atMs: Math.floor((i * durationMs) / messages),
      client,
      room: rooms[Math.floor(random() * rooms.length)]!,
      clientId,
      body: `${clientId} ${"x".repeat(Math.floor(random() * 200))}`,
    };
  });
}
