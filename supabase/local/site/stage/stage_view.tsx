import { useEffect, useRef, useState } from "react";
import type { StagedFaults } from "../../stage_view.ts";
import { Cast, type CastView } from "./cast.ts";
import { Flow, type Tie } from "./flow.ts";
import { IsolateBox } from "./isolate_box.tsx";
import { type SeenIsolate, useStageFeed } from "./use_stage_feed.ts";

const FIRST_RATE = 5;
const MOST_RATE = 20;
const SHOW_EVERY_MS = 250;
const KILL_EVERY_MS = 4_000;
/** Colours of the clients, far apart on the wheel. */
const HUES = [155, 300, 60, 245, 20];

/**
 * The stage: the server's isolates as boxes, a few real clients above them, their messages as they go, and what became of
 * each. It needs no account: its clients are users of its own.
 */
export function StageView({ publishableKey }: { publishableKey: string }) {
  const feed = useStageFeed();
  const [rate, setRate] = useState(FIRST_RATE);
  const [isPaused, setPaused] = useState(false);
  const [isKilling, setKilling] = useState(false);
  const stage = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const flow = useRef<Flow>(undefined);
  const cast = useRef<Cast>(undefined);
  /** The isolate of each client. */
  const places = useRef<readonly (string | undefined)[]>([]);
  const [view, setView] = useState<CastView>();

  useEffect(() => {
    const drawn = flow.current = new Flow(canvas.current!, stage.current!);
    const at = (client: number) => `isolate:${places.current[client]}`;
    const made = cast.current = new Cast(publishableKey, FIRST_RATE, {
      sent: (by) => drawn.send([`client:${by}`, at(by)], HUES[by]!),
      acknowledged: (by) => drawn.send([at(by), "log"], HUES[by]!),
      delivered(from, to) {
        const isSame = places.current[from] === places.current[to];
        drawn.send([...(isSame ? [] : [at(from), "bus"]), at(to), `client:${to}`], HUES[from]!);
      },
    });
    const timer = setInterval(() => setView(made.view()), SHOW_EVERY_MS);
    return () => {
      clearInterval(timer);
      made.close();
      drawn.close();
    };
  }, [publishableKey]);

  useEffect(() => {
    if (cast.current) cast.current.ratePerSecond = isPaused ? 0 : rate;
  }, [rate, isPaused]);

  const clients = view?.clients ?? [];
  const chats = feed.isolates.filter((isolate) => isolate.function === "chat");
  const others = feed.isolates.filter((isolate) => isolate.function !== "chat");
  const isolateOf = (session: string) =>
    // While a client moves it has two; the newest is where it is.
    chats.flatMap((isolate) => isolate.connections.map((connection) => ({ isolate, connection })))
      .filter(({ isolate, connection }) => connection.session === session && isolate.state !== "gone")
      .sort((a, b) => b.connection.id - a.connection.id)[0]?.isolate.id;
  const found = clients.map(({ session }) => isolateOf(session));

  useEffect(() => {
    places.current = found;
    if (!flow.current) return;
    flow.current.ties = found.flatMap((isolate, i): Tie[] =>
      isolate === undefined ? [] : [{
        from: `client:${i}`,
        to: `isolate:${isolate}`,
        hue: HUES[i]!,
        isWeak: clients[i]!.status !== "open" && clients[i]!.status !== "handing_over",
      }]
    );
  });

  const victims = useRef<readonly SeenIsolate[]>([]);
  useEffect(() => {
    victims.current = chats.filter(({ state }) => state === "serving");
  });
  useEffect(() => {
    if (!isKilling) return;
    const killOne = () => {
      // The one with the most connections: it hurts most.
      const [victim] = [...victims.current].sort((a, b) => b.connections.length - a.connections.length);
      if (victim) end(victim.id, "kill");
    };
    killOne();
    const timer = setInterval(killOne, KILL_EVERY_MS);
    return () => clearInterval(timer);
  }, [isKilling]);

  const hueOf = (session: string | undefined) => {
    const index = clients.findIndex((client) => client.session === session);
    return index < 0 ? undefined : HUES[index];
  };

  return (
    <section
      id="stage"
      className="stage"
      aria-labelledby="stage-title"
      data-state={feed.isLive ? "open" : "connecting"}
    >
      <div className="theatre" ref={stage}>
        <canvas ref={canvas} aria-hidden="true"></canvas>
        <header>
          <div>
            <h1 id="stage-title" tabIndex={-1}>Stage</h1>
            <p className="quiet">Five clients talk. Isolates come and go beneath them. Nothing is lost.</p>
          </div>
          <Verdict view={view} />
        </header>
        <ul className="clients" aria-label="Clients of this page">
          {clients.map(({ name, status }, i) => (
            <li key={name} data-spot={`client:${i}`} data-status={status} style={{ "--hue": HUES[i] } as object}>
              <span className="face" aria-hidden="true">{name[0]}</span>
              <span>{name}</span>
              <span className="hidden">{status}</span>
            </li>
          ))}
        </ul>
        <div className="isolates" role="group" aria-label="Isolates of chat">
          {chats.map((isolate) => <IsolateBox key={isolate.id} isolate={isolate} hueOf={hueOf} onEnd={end} />)}
        </div>
        <div className="ground">
          <p className="bus" data-spot="bus" data-spoiled={Object.values(feed.faults).some((share) => share > 0)}>
            <strong>Bus</strong> <span>between isolates, a hint that may be lost</span>
          </p>
          <p className="log" data-spot="log">
            <strong>Database</strong> <span>the log, at event {view?.head ?? 0}</span>
          </p>
        </div>
        {others.length > 0 && (
          <div className="others" role="group" aria-label="Isolates of the other functions">
            {others.map((isolate) => (
              <IsolateBox key={isolate.id} isolate={isolate} hueOf={hueOf} onEnd={end} isSmall />
            ))}
          </div>
        )}
      </div>
      <aside aria-label="What became of it, and what to do to it">
        <Counters view={view} ended={feed.ended} spoiled={feed.spoiled} />
        <Controls
          {...{ rate, isPaused, isKilling, faults: feed.faults }}
          onRate={setRate}
          onPause={setPaused}
          onKilling={setKilling}
        />
        <h2 id="happenings">What happened</h2>
        <div className="happenings" role="log" aria-labelledby="happenings" tabIndex={0}>
          {feed.happenings.length === 0 && <p className="quiet">No isolate has ended yet.</p>}
          {feed.happenings.map(({ number, at, text }) => (
            <p key={number}>
              <time dateTime={at.toISOString()}>{at.toLocaleTimeString([], { timeStyle: "medium" })}</time> {text}
            </p>
          ))}
        </div>
      </aside>
    </section>
  );
}

/** What must not happen, and how often it did. */
function Verdict({ view }: { view: CastView | undefined }) {
  const counts = [["Lost", view?.lost], ["Doubled", view?.doubled], ["Reordered", view?.reordered]] as const;
  return (
    <dl className="verdict">
      {counts.map(([name, count = 0]) => (
        <div key={name} className={count === 0 ? "kept" : "broken"}>
          <dt>{name}</dt>
          <dd>{count}</dd>
        </div>
      ))}
    </dl>
  );
}

function Counters(
  { view, ended, spoiled }: {
    view: CastView | undefined;
    ended: number;
    spoiled: { dropped: number; doubled: number; reordered: number };
  },
) {
  const inMs = (ms: number | undefined) => ms === undefined ? "–" : `${Math.round(ms)} ms`;
  const facts = [
    ["Sent", view?.sent],
    ["Acknowledged", view?.acknowledged],
    ["Delivered", view?.delivered],
    ["Compared with the log", view?.compared],
    ["Isolates ended", ended],
    ["Moved before the end", view?.moved],
    ["Came back after it", view?.cameBack],
    ["Dropped by the bus", spoiled.dropped],
    ["Delivery, median", inMs(view?.median)],
    ["Delivery, 95 %", inMs(view?.p95)],
  ] as const;
  return (
    <>
      {view?.error && <p className="problem" role="alert">{view.error}</p>}
      <dl className="facts-list">
        {facts.map(([name, value = 0]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{typeof value === "number" ? value.toLocaleString("en") : value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

const DROPS = [[0, "None"], [0.5, "Half"], [1, "All"]] as const;

function Controls(
  { rate, isPaused, isKilling, faults, onRate, onPause, onKilling }: {
    rate: number;
    isPaused: boolean;
    isKilling: boolean;
    faults: StagedFaults;
    onRate: (rate: number) => void;
    onPause: (isPaused: boolean) => void;
    onKilling: (isKilling: boolean) => void;
  },
) {
  // What was chosen shows at once, until the server says the same or did not hear of it.
  const [chosen, setChosen] = useState<StagedFaults>();
  const wanted = chosen ?? faults;
  useEffect(() => {
    if (chosen !== undefined && isSame(chosen, faults)) setChosen(undefined);
  }, [chosen, faults.drop, faults.double, faults.reorder]);

  async function spoil(change: Partial<StagedFaults>): Promise<void> {
    const next = { ...wanted, ...change };
    setChosen(next);
    if (!await post("/stage/bus", next)) setChosen((current) => current === next ? undefined : current);
  }

  return (
    <div className="controls">
      <p className="field">
        <label htmlFor="rate">
          Messages a second: <output htmlFor="rate">{rate}</output>
        </label>
        <input
          id="rate"
          type="range"
          min={1}
          max={MOST_RATE}
          value={rate}
          onChange={({ target }) => onRate(target.valueAsNumber)}
        />
      </p>
      <p className="row">
        <button type="button" aria-pressed={isPaused} onClick={() => onPause(!isPaused)}>
          {isPaused ? "Go on" : "Pause"}
        </button>
        <button type="button" className="danger" aria-pressed={isKilling} onClick={() => onKilling(!isKilling)}>
          {isKilling ? "Stop killing" : "Kill one every 4 s"}
        </button>
      </p>
      <fieldset>
        <legend>What the bus drops</legend>
        {DROPS.map(([drop, name]) => (
          <label key={name}>
            <input type="radio" name="drop" checked={wanted.drop === drop} onChange={() => spoil({ drop })} /> {name}
          </label>
        ))}
      </fieldset>
      <fieldset>
        <legend>And half of it is</legend>
        <label>
          <input
            type="checkbox"
            checked={wanted.double > 0}
            onChange={({ target }) => spoil({ double: target.checked ? 0.5 : 0 })}
          />{" "}
          doubled
        </label>
        <label>
          <input
            type="checkbox"
            checked={wanted.reorder > 0}
            onChange={({ target }) => spoil({ reorder: target.checked ? 0.5 : 0 })}
          />{" "}
          reordered
        </label>
      </fieldset>
    </div>
  );
}

function end(id: string, how: "kill" | "retire"): void {
  post(`/stage/isolates/${id}/${how}`, {});
}

function isSame(one: StagedFaults, other: StagedFaults): boolean {
  return one.drop === other.drop && one.double === other.double && one.reorder === other.reorder;
}

/** Whether it was taken; what it did shows on the stage. */
async function post(path: string, body: unknown): Promise<boolean> {
  try {
    return (await fetch(path, { method: "POST", body: JSON.stringify(body) })).ok;
  } catch {
    // An isolate may be gone before its button: then there is nothing left to do.
    return false;
  }
}
