// @ts-types="@types/react"
import { useEffect } from "react";
import type { Chat, ChatEvents } from "../client/mod.ts";
import { useLatest } from "./use_latest.ts";

/** Calls the newest `listener` for each event of that name while the component is there: see `ChatEvents`. */
export function useChatEvent<T extends keyof ChatEvents>(
  chat: Chat | undefined,
  name: T,
  listener: (event: ChatEvents[T]) => void,
): void {
  const latest = useLatest(listener);
  useEffect(() => chat?.on(name, (event) => latest.current(event)), [chat, name]);
}
