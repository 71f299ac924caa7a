import type { Patch, Scenario } from "./scenario.ts";

/** A promise that is broken on purpose, and the run that must notice. */
export interface BrokenPromise {
  readonly name: string;
  readonly patch: Patch;
  readonly busFaults: Scenario["busFaults"];
  /** The first of what the run must have found. */
  readonly finding: RegExp;
}

export const BROKEN_PROMISES: readonly BrokenPromise[] = [
  {
    name: "a gap is not filled",
    patch: {
      file: "shared/room/room.ts",
      find: "    return this.#filling ??= this.#readMissing().finally(() => this.#filling = undefined);\n",
      replace: "    return Promise.resolve();\n",
    },
    busFaults: { drop: 0.25 },
    finding: /^\d+ lost$/,
  },
  {
    name: "an event that is known is handed on again",
    patch: {
      file: "shared/room/room.ts",
      find: "    if (event.seq <= this.#head) return;\n",
      replace: "",
    },
    busFaults: { double: 0.5 },
    finding: /^\d+ out of turn on a connection$/,
  },
  {
    name: "heads are not compared",
    patch: {
      file: "shared/room/rooms.ts",
      find: "      room.noticeHead(at.epoch, at.head);\n",
      replace: "      room.noticeHead(room.epoch, room.head);\n",
    },
    busFaults: { drop: 1 },
    finding: /^\d+ lost$/,
  },
];

/** A short chat on two isolates, two clients a room, in which nothing goes wrong but the bus. */
export const SHORT_CHAT: Omit<Scenario, "seed"> = {
  bus: "redis",
  isolates: 2,
  wallClockMs: 150_000,
  clients: 6,
  rooms: 3,
  roomsPerClient: 1,
  messages: 60,
  durationMs: 2_000,
};
/** The heads of all rooms are compared every 3 s, give or take a quarter: what has not arrived by now never will. */
export const SHORT_SETTLE_MS = 4_500;
