import { useState, useSyncExternalStore } from "react";
import type { FrameLog } from "./frame_log.ts";

/** What goes over the wire, folded away until it is wanted. */
export function Frames({ log }: { log: FrameLog }) {
  const frames = useSyncExternalStore(log.subscribe, log.frames);
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="frames" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        Frames <span className="count">{frames[0]?.number ?? 0}</span>
      </summary>
      <ol tabIndex={0} aria-label="Frames, the newest first">
        {isOpen && frames.map(({ number, direction, at, text }) => (
          <li key={number} className={direction}>
            <span className="arrow" aria-hidden="true">{direction === "in" ? "↓" : "↑"}</span>
            <span className="hidden">{direction === "in" ? "received" : "sent"}</span>
            <time>{at.toISOString().slice(11, 23)}</time>
            <code>{text}</code>
          </li>
        ))}
      </ol>
    </details>
  );
}
