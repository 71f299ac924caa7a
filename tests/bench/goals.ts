/** Cells by the name of their column, which tell one row of a section from the others. */
export type Row = Readonly<Record<string, string>>;

/** A figure of a section, beside what it is compared with. */
export interface Goal {
  readonly figure: string;
  readonly section: string;
  readonly ours: Row;
  readonly peer?: Row;
  readonly column: string;
  /** `ratio`: as the table has it, else of the two; `difference`: what ours has more; `itself`: ours, whatever the peer has. */
  readonly by: "ratio" | "difference" | "itself";
  /** The most that the goal lets it be; nothing where the figure has none. */
  readonly atMost?: number;
  readonly unit: string;
}

const PLAIN = "plain room";
const PACED = "40,000 deliveries/s";

/** The figures of docs/bench.md that have a goal, or a peer to stand beside. */
export const GOALS: readonly Goal[] = [
  fanOut("10", "saturated", "chat", 1.5),
  fanOut("100", "saturated", "chat", 1.1),
  fanOut("100", PACED, "chat", 1.1),
  fanOut("1,000", "saturated", "chat", 1.1),
  fanOut("1,000", PACED, "chat", 1.1),
  fanOut("10", "5 messages/s", "chat", 1.15),
  fanOut("100", "saturated", "chat, batch=1", 0.25),
  fanOut("1,000", "saturated", "chat, batch=1", 0.25),
  fanOut("100", PACED, "chat, batch=1", 0.5),
  fanOut("1,000", PACED, "chat, batch=1", 0.5),
  {
    figure: `longer at p95 by batch, 100 members, ${PACED}`,
    section: "fan-out",
    ours: { members: "100", load: PACED, system: "chat, batch=1" },
    peer: { members: "100", load: PACED, system: "chat" },
    column: "p95 ms",
    by: "difference",
    atMost: 15,
    unit: "ms",
  },
  {
    figure: "p99 at half load, 100 members",
    section: "half-load",
    ours: { system: "chat" },
    peer: { system: PLAIN },
    column: "p99 ms",
    by: "ratio",
    atMost: 1.25,
    unit: "ms",
  },
  ...["2.9.6", "2.1.4"].flatMap((deno) => [memory("chat", deno, 1.3), memory("echo", deno), whole("chat", deno)]),
  ...["1,000", "6,000"].flatMap((pace) =>
    ["1 KB text", "20 KB audio delta", "4 KB binary"].flatMap((frame) => [
      relay(frame, pace, "CPU us/frame", "CPU"),
      relay(frame, pace, "added p50 us", "added latency at p50"),
    ])
  ),
  ...["2.9.6", "2.1.4"].flatMap((deno) => [
    coldStart("echo", deno, 10),
    coldStart("relay", deno, 20),
    coldStart("chat", deno, 45),
  ]),
  connecting("echo", "new"),
  connecting("echo", "known"),
  connecting("chat", "new"),
  connecting("chat", "known"),
  ...["saturated", "20 messages/s"].flatMap((load) => [
    store(load, "messages/s", "a second"),
    store(load, "p99 ms", "ms, p99"),
  ]),
];

function fanOut(members: string, load: string, system: string, atMost: number): Goal {
  return {
    figure: `CPU a delivery, ${system}, ${members} members, ${load}`,
    section: "fan-out",
    ours: { members, load, system },
    peer: { members, load, system: PLAIN },
    column: "us/delivery",
    by: "ratio",
    atMost,
    unit: "us",
  };
}

function memory(system: string, deno: string, atMost?: number): Goal {
  return {
    figure: `memory of an idle connection, ${system}`,
    section: "memory",
    ours: { Deno: deno, system },
    peer: { Deno: deno, system: PLAIN },
    column: "KiB a connection",
    by: "ratio",
    ...(atMost !== undefined && { atMost }),
    unit: "KiB",
  };
}

function whole(system: string, deno: string): Goal {
  return {
    figure: `memory of ${system} with 5,000 idle connections`,
    section: "memory",
    ours: { Deno: deno, system },
    peer: { Deno: deno, system: PLAIN },
    column: "MiB with 5,000",
    by: "itself",
    atMost: 256,
    unit: "MiB",
  };
}

function relay(frame: string, pace: string, column: string, what: string): Goal {
  return {
    figure: `relay, ${what}, ${frame}, ${pace} trips/s`,
    section: "relay",
    ours: { frame, "trips/s": pace, relay: "ours" },
    peer: { frame, "trips/s": pace, relay: "naive pipe" },
    column,
    by: "ratio",
    atMost: 1.1,
    unit: "us",
  };
}

function coldStart(name: string, deno: string, atMost: number): Goal {
  return {
    figure: `cold start of ${name} until its first frame, over the plain room`,
    section: "cold-start",
    ours: { function: name, Deno: deno },
    column: "CPU ms until the first frame",
    by: "itself",
    atMost,
    unit: "ms",
  };
}

function connecting(system: string, token: "new" | "known"): Goal {
  return {
    figure: `CPU of a connection to ${system}, ${token} token`,
    section: "connecting",
    ours: { system },
    peer: { system: PLAIN },
    column: `us, ${token} token`,
    by: "ratio",
    unit: "us",
  };
}

function store(load: string, column: string, unit: string): Goal {
  return {
    figure: `group commit into PostgreSQL beside one a call, ${load}`,
    section: "store",
    ours: { load, writes: "group commit" },
    peer: { load, writes: "one a call" },
    column,
    by: "ratio",
    unit,
  };
}
