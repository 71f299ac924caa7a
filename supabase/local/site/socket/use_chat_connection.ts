import { useState } from "react";
import type { Chat, ChatStatus } from "../../../../shared/client/mod.ts";
import { useChatEvent, useChatStatus } from "../../../../shared/react/mod.ts";
import type { Warning } from "./connection_panel.tsx";
import type { SocketState, SocketStatus } from "./live_socket.ts";

const STATES: Readonly<Record<ChatStatus["status"], SocketState>> = {
  connecting: "connecting",
  open: "open",
  handing_over: "moving",
  reconnecting: "waiting",
  closed: "stopped",
};

/** What there is to say about the connection of a chat. */
export interface ChatConnection {
  readonly status: SocketStatus;
  /** The last error that neither ended the connection nor answers what the user did. */
  readonly warning: Warning | undefined;
  readonly warn: (warning: Warning | undefined) => void;
}

/** Follows the connection of a chat: where it landed, how long it will last, and what went wrong. */
export function useChatConnection(chat: Chat | undefined): ChatConnection {
  const status = useChatStatus(chat);
  const [place, setPlace] = useState<Partial<SocketStatus>>({});
  const [lost, setLost] = useState<Partial<SocketStatus>>({});
  const [warning, warn] = useState<Warning>();

  useChatEvent(chat, "connection", ({ isolate, age_ms, lifetime_ms }) => {
    const now = Date.now();
    setPlace({ isolate, isolateBornAt: now - age_ms, openedAt: now, endsAt: now + lifetime_ms });
  });
  useChatEvent(chat, "status", (status) => {
    if (status.status === "reconnecting") setLost({ retryAt: Date.now() + status.delayMs, ...failureOf(status.error) });
    if (status.status === "closed" && status.error) setLost(failureOf(status.error));
    if (status.status === "open") setLost({});
  });
  useChatEvent(chat, "error", ({ ref, code, message }) => {
    if (ref === undefined) warn({ code, message });
  });

  const isLost = status.status === "reconnecting" || status.status === "closed";
  return { status: { state: STATES[status.status], ...(isLost ? lost : place) }, warning, warn };
}

function failureOf({ code, message, closeCode }: { code: string; message: string; closeCode?: number }) {
  return { failure: { code, message, ...(closeCode !== undefined && { closeCode }) } };
}
