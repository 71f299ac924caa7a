import { memo } from "react";
import type { SeenIsolate } from "./use_stage_feed.ts";

/** What the platform gives an isolate in its whole life. */
const CPU_LIMIT_MS = 2_000;
const MOST_DOTS = 40;

const STATES: Readonly<Record<SeenIsolate["state"], string>> = {
  booting: "starting",
  serving: "serving",
  retired: "no new ones",
  gone: "gone",
};

interface IsolateBoxProps {
  readonly isolate: SeenIsolate;
  /** The colour of a client of this page; none for others. */
  readonly hueOf: (session: string | undefined) => number | undefined;
  readonly onEnd: (id: string, how: "kill" | "retire") => void;
  readonly isSmall?: boolean;
}

/** An isolate: how old it is, what CPU it has used, who is connected, and how to end it. */
export const IsolateBox = memo(function ({ isolate, hueOf, onEnd, isSmall = false }: IsolateBoxProps) {
  const { id, state, ageMs, wallClockMs, cpuMs, connections, endedBy } = isolate;
  const name = `${isolate.function} ${id.slice(0, 8)}`;
  const isGone = state === "gone";
  return (
    <article
      className={isSmall ? "isolate small" : "isolate"}
      data-spot={`isolate:${id}`}
      data-isolate={state}
      aria-label={name}
    >
      <header>
        <strong>{isolate.function}</strong> <code>{id.slice(0, 8)}</code>
        <span className="life-state">{isGone ? (endedBy === "closed" ? "killed" : "ended") : STATES[state]}</span>
      </header>
      <Bar
        name="Age"
        part={ageMs}
        whole={wallClockMs}
        text={`${Math.round(ageMs / 1_000)} of ${Math.round(wallClockMs / 1_000)} s`}
      />
      {cpuMs !== undefined && (
        <Bar name="CPU" part={cpuMs} whole={CPU_LIMIT_MS} text={`${(cpuMs / 1_000).toFixed(2)} of 2 s`} />
      )}
      <ul className="dots" aria-label={`${connections.length} connections`}>
        {connections.slice(0, MOST_DOTS).map((connection) => {
          const hue = hueOf(connection.session);
          return (
            <li key={connection.id} className={hue === undefined ? "" : "ours"} style={{ "--hue": hue } as object}></li>
          );
        })}
      </ul>
      <p className="row">
        {!isSmall && (
          <button type="button" disabled={isGone || state === "booting"} onClick={() => onEnd(id, "retire")}>
            Hand over<span className="hidden">{name}</span>
          </button>
        )}
        <button type="button" className="danger" disabled={isGone} onClick={() => onEnd(id, "kill")}>
          Kill<span className="hidden">{name}</span>
        </button>
      </p>
    </article>
  );
});

function Bar({ name, part, whole, text }: { name: string; part: number; whole: number; text: string }) {
  return (
    <p className="bar-line">
      <span>{name}</span>
      <span className="track" aria-hidden="true">
        <span style={{ width: `${Math.min(1, part / whole) * 100}%` }}></span>
      </span>
      <span className="amount">{text}</span>
    </p>
  );
}
