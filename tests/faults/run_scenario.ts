import { eventually } from "../support/eventually.ts";
import { signUp } from "../support/sign_up.ts";
import { within } from "../support/within.ts";
import { addDifferences, compareLogs, type Differences, type LoggedEvent } from "./compare_logs.ts";
import { type Latencies, measureLatencies } from "./latencies.ts";
import { Member, type RoomRecord } from "./member.ts";
import { planFaults, type PlannedFault, planTraffic, roomsOf, type Scenario } from "./scenario.ts";
import { type Stand, startStand } from "./stand.ts";

/** What came of a run. */
export interface Report extends Differences {
  readonly seed: number;
  readonly sent: number;
  /** Messages and other events that came to members. */
  readonly deliveries: number;
  /** Events that came on one connection before their turn or after it, which the client makes good. */
  readonly outOfTurn: number;
  /** Messages with an ack that are not in the database just once, under the id and `seq` of the ack. */
  readonly brokenAcks: number;
  /** Messages that stand in the database more than once. */
  readonly storedTwice: number;
  /** Messages that one client sent to a room after one another and that stand there the other way round. */
  readonly swapped: number;
  /** Messages that never got an ack although their client stayed. */
  readonly unacknowledged: number;
  /**
   * Pairs of a member and a room in which it took somebody for present who was not, or the other way round, from the end
   * to the deadline. Not looked at where something was lost.
   */
  readonly wrongPresence: number;
  /** How long after the last message and the last fault presence was right everywhere, in ms. */
  readonly presenceRightAfterMs: number;
  /** What should never happen: messages refused, logs begun anew, errors. */
  readonly complaints: readonly string[];
  readonly latencies: Latencies;
  /** How many isolates there were, and what was done to them and the rest. */
  readonly isolates: number;
  readonly faults: readonly string[];
}

/** How a run is watched. */
export interface RunOptions {
  /** Told each line of progress. */
  readonly log?: (line: string) => void;
  /** How long after the last message everything may take to arrive, in ms. Default: 30,000. */
  readonly settleMs?: number;
}

/** Three missed beats, the beat that notices, and the moment that one who went is still shown. */
export const PRESENCE_DEADLINE_MS = 4 * 5_000 + 2_500;

/** What is wrong with a run, in words; empty for one that held every promise. */
export function findBrokenPromises(report: Report): string[] {
  const counts = {
    lost: report.lost,
    doubled: report.doubled,
    reordered: report.reordered,
    wrong: report.wrong,
    "out of turn on a connection": report.outOfTurn,
    "broken acks": report.brokenAcks,
    "stored twice": report.storedTwice,
    "swapped by the sender": report.swapped,
    unacknowledged: report.unacknowledged,
    "wrong presence": report.wrongPresence,
  };
  const broken = Object.entries(counts).filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`);
  return [...broken, ...report.complaints.slice(0, 10)];
}

/** A stage that has an end of its own and is not at it after so long will never be. */
const STAGE_LIMIT_MS = 30_000;

/**
 * Runs a scenario from start to end on a stand of its own, and compares what every client saw with the database. Every
 * wait has a bound, so that a run takes its duration and what it has to settle, and fails by the name of what hangs.
 */
export async function runScenario(scenario: Scenario, { log = () => {}, settleMs = 30_000 }: RunOptions = {}) {
  await using stand = await startStand(scenario);
  const seen = new Set<string>();
  const watch = setInterval(() => stand.local.isolates().forEach(({ id }) => seen.add(id)), 200);
  const members = await enterAll(stand, scenario);
  try {
    log(`${members.length} clients are in ${scenario.rooms} rooms on ${scenario.isolates} isolates`);
    for (const member of members) member.mayLeave = true;
    stand.faultyBus(scenario.busFaults);
    const run = Promise.all([runFaults(stand, scenario, log), runTraffic(members, scenario, log)]);
    const [faults] = await within("traffic and faults are over", run, scenario.durationMs + STAGE_LIMIT_MS);
    const overAt = performance.now();
    const hasSettled = await succeeds(settle(stand, scenario, members, settleMs), log);
    stand.faultyBus();
    const wrongPresence = hasSettled ? await settlePresence(members, log) : 0;
    const presenceRightAfterMs = Math.round(performance.now() - overAt);
    return await reportOn(stand, scenario, members, {
      faults,
      isolates: seen.size,
      wrongPresence,
      presenceRightAfterMs,
    });
  } finally {
    clearInterval(watch);
    for (const member of members) member.close();
  }
}

const roomName = ({ seed }: Scenario, room: number) => `room-${seed}-${room}`;

async function enterAll({ local, chatUrl }: Stand, scenario: Scenario): Promise<Member[]> {
  const { clients, leavers = 0 } = scenario;
  const users = await Promise.all(Array.from({ length: clients }, (_, n) => signUp(local, `user${n}`)));
  const members = users.map((user, n) => {
    const rooms = roomsOf(scenario, n).map((room) => roomName(scenario, room));
    return new Member({ url: chatUrl, user, rooms, isLeaver: n >= clients - leavers });
  });
  await Promise.all(members.map((member, n) => member.entered(roomsOf(scenario, n).length)));
  return members;
}

async function runTraffic(members: readonly Member[], scenario: Scenario, log: (line: string) => void): Promise<void> {
  const startedAt = performance.now();
  let shownAt = 0;
  for (const { atMs, client, room, clientId, body } of planTraffic(scenario)) {
    await until(startedAt + atMs);
    members[client]!.say(roomName(scenario, room), clientId, body);
    if (atMs - shownAt < 10_000) continue;
    shownAt = atMs;
    const waiting = members.reduce((sum, member) => sum + member.waiting, 0);
    const late = Math.round(performance.now() - startedAt - atMs);
    log(`${(atMs / 1000).toFixed(0)} s: ${waiting} messages wait for their ack; sending is ${late} ms late`);
  }
}

async function runFaults({ faults }: Stand, scenario: Scenario, log: (line: string) => void): Promise<string[]> {
  const startedAt = performance.now();
  const done: string[] = [];
  const run = async ({ atMs, kind, pick }: PlannedFault) => {
    const what = await faults[kind](pick);
    done.push(what);
    log(`${(atMs / 1000).toFixed(1)} s: ${what}`);
  };
  // One kind waits for its own kind only: an isolate may die while PostgreSQL is away.
  const byKind = Map.groupBy(planFaults(scenario), ({ kind }) => kind);
  await Promise.all([...byKind.values()].map(async (planned) => {
    for (const fault of planned) {
      await until(startedAt + fault.atMs);
      await run(fault);
    }
  }));
  return done;
}

/** Waits until every message has its ack, and every member the end of every log. */
async function settle(stand: Stand, scenario: Scenario, members: readonly Member[], deadlineMs: number): Promise<void> {
  const staying = members.filter(({ isClosed }) => !isClosed);
  // As the page of one who comes back to it does: else the last of them tries again half a minute after the last fault.
  for (const member of staying) member.wake();
  const settled = { deadlineMs, everyMs: 100 };
  await eventually("every message has its ack", () => staying.every(({ waiting }) => waiting === 0), settled);
  const heads = new Map((await readLogs(stand, scenario)).map(({ room, events }) => [room, events.at(-1)?.seq ?? 0]));
  await eventually(
    "everything has arrived",
    () =>
      staying.every(({ rooms }) =>
        [...rooms].every(([room, { begin, events }]) => (events.at(-1)?.seq ?? begin) >= heads.get(room)!)
      ),
    settled,
  );
}

/** Waits until presence has been right for each member in each room; gives for how many it never was. */
async function settlePresence(members: readonly Member[], log: (line: string) => void): Promise<number> {
  // One after another: while clients move from isolate to isolate, there is hardly a moment at which all are right.
  let wrong = findWrongPresence(members);
  const isRight = () => (wrong = wrong.filter((record) => !isPresenceRight(members, record))).length === 0;
  await succeeds(eventually("presence is right", isRight, { deadlineMs: PRESENCE_DEADLINE_MS, everyMs: 50 }), log);
  return wrong.length;
}

/** Whether a wait came to its end: what was waited for in vain shows in the report. */
function succeeds(wait: Promise<unknown>, log: (line: string) => void): Promise<boolean> {
  return wait.then(() => true, (error: Error) => {
    log(error.message);
    return false;
  });
}

type Presence = readonly [room: string, record: RoomRecord];

function findWrongPresence(members: readonly Member[]): Presence[] {
  const staying = members.filter(({ isClosed }) => !isClosed);
  return staying.flatMap(({ rooms }) => [...rooms]).filter((presence) => !isPresenceRight(members, presence));
}

function isPresenceRight(members: readonly Member[], [room, { present }]: Presence): boolean {
  const truth = members.filter(({ isClosed, rooms }) => !isClosed && rooms.has(room));
  return present.size === truth.length && truth.every(({ userId }) => present.has(userId));
}

interface RoomLog {
  readonly room: string;
  readonly events: readonly (LoggedEvent & { id: string; clientId: string | null })[];
}

async function readLogs({ local }: Stand, scenario: Scenario): Promise<RoomLog[]> {
  const rooms = Array.from({ length: scenario.rooms }, (_, room) => roomName(scenario, room));
  const reading = rooms.map(async (room) => {
    const rows = await local.sql(
      "select e.seq, m.id, m.body, m.client_id from room_events e " +
        "left join messages m on m.id = e.message_id and e.kind = 'message' where e.room_id = $1 order by e.seq",
      [room],
    ) as { seq: number | string; id: string; body: string | null; client_id: string | null }[];
    const events = rows.map(({ seq, id, body, client_id }) => ({
      seq: Number(seq),
      id,
      clientId: client_id,
      ...(body !== null && { body }),
    }));
    return { room, events };
  });
  return await within("the logs are read", Promise.all(reading), STAGE_LIMIT_MS);
}

async function reportOn(
  stand: Stand,
  scenario: Scenario,
  members: readonly Member[],
  run: Pick<Report, "faults" | "isolates" | "wrongPresence" | "presenceRightAfterMs">,
): Promise<Report> {
  const logs = await readLogs(stand, scenario);
  const byRoom = new Map(logs.map(({ room, events }) => [room, events]));
  const differences = members.flatMap((member) =>
    [...member.rooms].map(([room, { begin, events }]) => {
      // One who left saw a part of the log: up to the last that it saw, nothing may be missing.
      const end = member.isClosed ? events.at(-1)?.seq ?? begin : Infinity;
      return compareLogs(byRoom.get(room)!.filter(({ seq }) => seq > begin && seq <= end), events);
    })
  );
  const gaps = logs.flatMap(({ room, events }) =>
    events.every(({ seq }, i) => seq === i + 1) ? [] : [`the log of ${room} has a gap`]
  );
  const staying = members.filter(({ isClosed }) => !isClosed);
  return {
    seed: scenario.seed,
    ...addDifferences(differences),
    ...run,
    sent: members.reduce((sum, { sent }) => sum + sent.size, 0),
    deliveries: members.flatMap(({ rooms }) => [...rooms.values()]).reduce((sum, { events }) => sum + events.length, 0),
    outOfTurn: members.reduce((sum, { outOfTurn }) => sum + outOfTurn.length, 0),
    ...judgeStored(members, logs),
    unacknowledged: staying.reduce((sum, { sent, acks }) => sum + sent.size - acks.size, 0),
    complaints: [...gaps, ...members.flatMap(({ complaints }, n) => complaints.map((text) => `client ${n}: ${text}`))],
    latencies: measureLatencies(members),
  };
}

/** Compares acks and the order of sending with what is stored. */
function judgeStored(members: readonly Member[], logs: readonly RoomLog[]) {
  const rows = logs.flatMap(({ room, events }) => events.map((event) => ({ ...event, room })));
  const stored = Map.groupBy(rows.filter(({ clientId }) => clientId !== null), ({ clientId }) => clientId!);
  const acks = members.flatMap(({ acks }) => [...acks]);
  const brokenAcks = acks.filter(([clientId, ack]) => {
    const row = stored.get(clientId)?.[0];
    return row === undefined || row.id !== ack.id || row.seq !== ack.seq || row.room !== ack.room;
  });
  const swapped = [...Map.groupBy([...stored.values()].flat(), ({ room, clientId }) => `${room} ${sender(clientId!)}`)]
    .map(([, rows]) => rows.map(({ clientId }) => Number(clientId!.split("-")[1])))
    .reduce((sum, numbers) => sum + numbers.filter((number, i) => i > 0 && number < numbers[i - 1]!).length, 0);
  return {
    brokenAcks: brokenAcks.length,
    storedTwice: [...stored.values()].filter(({ length }) => length > 1).length,
    swapped,
  };
}

function sender(clientId: string): string {
  return clientId.split("-")[0]!;
}

async function until(at: number): Promise<void> {
  const waitMs = at - performance.now();
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
}
