// @ts-types="@types/react"
import { useCallback, useSyncExternalStore } from "react";
import type { Chat, ChatStatus } from "../client/mod.ts";

const NONE: ChatStatus = { status: "connecting" };
const stay = () => () => {};

/** Where the chat is, now and at each change; `connecting` while there is none. */
export function useChatStatus(chat: Chat | undefined): ChatStatus {
  const subscribe = useCallback((changed: () => void) => chat?.on("status", changed) ?? stay(), [chat]);
  const status = () => chat?.status ?? NONE;
  return useSyncExternalStore(subscribe, status, status);
}
