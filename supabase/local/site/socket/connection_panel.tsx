import type { ReactNode } from "react";
import { seconds, useNow } from "../ui/time.ts";
import type { SocketState, SocketStatus } from "./live_socket.ts";

const STATE_NAMES: Readonly<Record<SocketState, string>> = {
  connecting: "Connecting",
  open: "Open",
  moving: "Handing over",
  waiting: "Waiting to retry",
  stopped: "Closed",
};

/** An error that did not end the socket. */
export interface Warning {
  readonly code: string;
  readonly message: string;
}

/** Shows one socket: its state, isolate and age, what is left of its life, and why it failed. */
export function ConnectionPanel(
  { status, warning, onRetry, children }: {
    status: SocketStatus;
    warning?: Warning;
    onRetry?: () => void;
    children?: ReactNode;
  },
) {
  const { state, failure } = status;
  const isDown = state === "waiting" || state === "stopped";
  const problem = failure
    ? { code: [failure.closeCode, failure.code].filter(Boolean).join(" "), message: failure.message }
    : warning;
  return (
    <div className="socket">
      <p className="state">
        <span className="dot"></span>
        <span role="status">{STATE_NAMES[state]}</span>
      </p>
      <Times status={status} />
      {children}
      <p className="problem" role="alert">
        {problem && (
          <>
            <code>{problem.code}</code> {problem.message}
          </>
        )}
      </p>
      {isDown && onRetry && (
        <p className="again">
          <button type="button" onClick={onRetry}>Connect again</button>
        </p>
      )}
    </div>
  );
}

/** Apart from the rest: it changes every second, and nothing else does. */
function Times({ status: { isolate, isolateBornAt, openedAt, endsAt, retryAt } }: { status: SocketStatus }) {
  const now = useNow(1_000);
  const bornAt = isolateBornAt ?? openedAt;
  const left = endsAt === undefined || bornAt === undefined ? 0 : (endsAt - now) / (endsAt - bornAt);
  return (
    <>
      <p className="facts">
        {isolate !== undefined && (
          <span>
            isolate <code title={isolate}>{isolate.slice(0, 8)}</code>
          </span>
        )}
        {isolateBornAt !== undefined
          ? <span>{seconds(now - isolateBornAt)} old</span>
          : openedAt !== undefined && <span>up {seconds(now - openedAt)}</span>}
        {endsAt !== undefined && <span>{seconds(endsAt - now)} left</span>}
        {retryAt !== undefined && <span>next try in {seconds(retryAt - now)}</span>}
      </p>
      <div className="life" aria-hidden="true">
        <div style={{ width: `${Math.max(0, Math.min(1, left)) * 100}%` }}></div>
      </div>
    </>
  );
}
