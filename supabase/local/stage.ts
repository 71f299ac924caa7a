import type { IncomingMessage, ServerResponse } from "node:http";
import { cpuTimeMs } from "./cpu_time.ts";
import { isFromThisPage } from "./from_this_page.ts";
import { pathOf, readBody } from "./incoming.ts";
import type { Isolate } from "./isolate.ts";
import type { IsolatePool } from "./isolate_pool.ts";
import { sendProblem } from "./outgoing.ts";
import type { Realtime } from "./realtime/start_realtime.ts";
import type { StagedEnd, StagedFaults, StagedIsolate, StageView } from "./stage_view.ts";

/** Where the stage is. */
export const STAGE_PREFIX = "/stage";

/** What the stage looks at and plays with. */
export interface StageOptions {
  readonly functions: ReadonlyMap<string, { readonly pool: IsolatePool }>;
  readonly realtime: Pick<Realtime, "faults">;
}

/** Serves the stage. */
export interface Stage {
  /** Answers a request under `/stage`. */
  answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void>;
  /** Ends what is watched, and the faults. May be called twice. */
  close(): void;
}

const TICK_MS = 250;
const MAX_BODY_BYTES = 1_024;
const NO_FAULTS: StagedFaults = { drop: 0, double: 0, reorder: 0 };

/**
 * Shows isolates, their age, CPU and connections as they are, and lets the page that this server serves end isolates and
 * spoil the bus, to see that nothing is lost:
 *
 * | request | does |
 * |---|---|
 * | `GET /stage/events` | a `StageView` four times a second, as server-sent events |
 * | `POST /stage/isolates/ID/kill` | kills it, as the platform does: its clients see 1006 |
 * | `POST /stage/isolates/ID/retire` | ends it as new code does: it hands its connections over |
 * | `POST /stage/bus` | `{drop, double, reorder}`: shares of broadcasts from 0 to 1; they end with the last one who watches |
 *
 * It belongs to the local server alone. Requests of other sites are refused: see `isFromThisPage`.
 */
export function createStage({ functions, realtime }: StageOptions): Stage {
  const watchers = new Set<ServerResponse>();
  const known = new Set<Isolate>();
  let ended: StagedEnd[] = [];
  let faults = NO_FAULTS;
  let timer: ReturnType<typeof setInterval> | undefined;

  const isolates = () => [...functions.values()].flatMap(({ pool }) => pool.isolates);

  function watch(outgoing: ServerResponse): void {
    outgoing.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    outgoing.on("close", () => leave(outgoing));
    watchers.add(outgoing);
    timer ??= setInterval(show, TICK_MS);
    void show();
  }

  function leave(outgoing: ServerResponse): void {
    watchers.delete(outgoing);
    if (watchers.size === 0) rest();
  }

  /** Nobody watches: a bus that stays spoiled would puzzle whoever comes next. */
  function rest(): void {
    clearInterval(timer);
    timer = undefined;
    ended = [];
    setFaults(NO_FAULTS);
  }

  async function show(): Promise<void> {
    const there = isolates();
    for (const isolate of there) follow(isolate);
    const view: StageView = {
      isolates: await Promise.all(there.map(stagedIsolate)),
      ended,
      faults,
      spoiled: realtime.faults.counts(),
    };
    ended = [];
    const event = `data: ${JSON.stringify(view)}\n\n`;
    for (const watcher of watchers) watcher.write(event);
  }

  /** Hears of the end of an isolate. */
  function follow(isolate: Isolate): void {
    if (known.has(isolate)) return;
    known.add(isolate);
    void isolate.ended.then((reason) => {
      known.delete(isolate);
      if (timer !== undefined) ended.push({ ...describe(isolate), reason });
    });
  }

  function setFaults(wanted: StagedFaults): void {
    const isNone = Object.values(wanted).every((share) => share === 0);
    if (isNone && faults === NO_FAULTS) return;
    faults = isNone ? NO_FAULTS : wanted;
    realtime.faults.broadcasts(isNone ? undefined : wanted);
  }

  /** Does what a POST asks for; gives the status of the answer. */
  async function act(incoming: IncomingMessage): Promise<number> {
    const [, , kind, id, what] = pathOf(incoming).split("/");
    if (kind === "bus" && id === undefined) {
      const wanted = parseFaults(await readBody(incoming, MAX_BODY_BYTES));
      if (wanted !== undefined) setFaults(wanted);
      return wanted === undefined ? 400 : 204;
    }
    const isolate = kind === "isolates" ? isolates().find((isolate) => isolate.id === id) : undefined;
    if (isolate === undefined) return 404;
    if (what === "kill") isolate.kill();
    else if (what === "retire") isolate.terminate();
    else return 404;
    return 204;
  }

  return {
    async answer(incoming, outgoing) {
      if (!isFromThisPage(incoming)) return refuse(outgoing, 403, "Only the page of this server may use the stage.");
      if (incoming.method === "GET" && pathOf(incoming) === `${STAGE_PREFIX}/events`) return watch(outgoing);
      if (incoming.method !== "POST") return refuse(outgoing, 404, "The stage has /stage/events to read.");
      const status = await act(incoming);
      if (status === 204) outgoing.writeHead(status).end();
      else refuse(outgoing, status, "See the docstring of createStage for what the stage takes.");
    },
    close() {
      for (const watcher of watchers) watcher.end();
      watchers.clear();
      rest();
    },
  };
}

async function stagedIsolate(isolate: Isolate): Promise<StagedIsolate> {
  const { state, wallClockMs, connections } = isolate;
  const cpuMs = await cpuTimeMs(isolate.pid).catch(() => undefined);
  return {
    ...describe(isolate),
    state,
    wallClockMs,
    ...(cpuMs !== undefined && { cpuMs }),
    connections: [...connections].map(({ id, session, received, sent }) => ({ id, session, received, sent })),
  };
}

function describe({ id, function: name, ageMs }: Isolate): Omit<StagedEnd, "reason"> {
  return { id, function: name, ageMs: Math.round(ageMs) };
}

/** The faults that a body asks for, or undefined where it is none of that kind. */
function parseFaults(body: Uint8Array | undefined): StagedFaults | undefined {
  try {
    const wanted = JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>;
    const { drop = 0, double = 0, reorder = 0 } = wanted as Partial<StagedFaults>;
    const isShare = (share: unknown) => typeof share === "number" && share >= 0 && share <= 1;
    return [drop, double, reorder].every(isShare) ? { drop, double, reorder } : undefined;
  } catch {
    return undefined;
  }
}

function refuse(outgoing: ServerResponse, status: number, detail: string): void {
  sendProblem(outgoing, { status, title: "The stage does not do this", detail });
}
