// @ts-types="@types/react"
import { useEffect, useRef, useState } from "react";
import {
  type Chat,
  type ChatOptions,
  connectChat,
  memoryStorage,
  type OutboxStorage,
  type TokenReason,
} from "../client/mod.ts";
import { useLatest } from "./use_latest.ts";

/** What `useChat` is given: the options of `connectChat`, of which `url`, `token`, `room` and `user` may change. */
export interface UseChatOptions extends Omit<ChatOptions, "token"> {
  /**
   * The user's token, what fetches one, or nothing while nobody is signed in: then there is no chat. A string that changes
   * renews the token of the connection there is, if it is the same user's; of a function the newest is called.
   */
  readonly token: ChatOptions["token"] | null | undefined;
  /** Who the user is: another one gets a chat of his own. Only a `token` that is a function needs it, as a string says so itself. */
  readonly user?: string;
}

/**
 * Keeps a chat open while the component is there: see `connectChat` for what it promises. None on the first render, nor while
 * there is no token.
 *
 * Another `url`, `room` or user closes it and makes another one; what the same user sent and had no `ack` yet goes with
 * him, as does all of it under StrictMode, which leaves one connection. Everything else is read when a chat is made.
 */
export function useChat(options: UseChatOptions): Chat | undefined {
  const { url, token, room } = options;
  const latest = useLatest(options);
  const user = options.user ?? userOf(token);
  const outbox = useRef<{ user: string; storage: OutboxStorage }>(undefined);
  const [kept, setKept] = useState<{ chat: Chat; name: string }>();
  const [generation, setGeneration] = useState(0);
  const name = JSON.stringify([String(url), room, user, generation]);
  // Of the one before nothing is shown any more, not for one render.
  const chat = kept?.name === name ? kept.chat : undefined;

  useEffect(() => {
    if (user === undefined) return;
    // Never of another user: what Ada wrote must not be sent as Grace.
    if (outbox.current?.user !== user) outbox.current = { user, storage: memoryStorage() };
    const { user: _, ...rest } = latest.current;
    const made = connectChat({
      storage: outbox.current.storage,
      ...rest,
      token: (reason) => tokenOf(latest.current.token, reason),
    });
    setKept({ chat: made, name });
    return () => {
      made.close();
      setKept(undefined);
    };
  }, [name]);

  const given = typeof token === "string" ? token : undefined;
  const used = useRef(given);
  useEffect(() => {
    if (used.current === given) return;
    used.current = given;
    if (given === undefined || chat === undefined) return;
    if (chat.status.status === "closed") setGeneration((generation) => generation + 1);
    else if (chat.status.status === "open") chat.refresh();
  }, [given, chat]);

  return chat;
}

function tokenOf(token: UseChatOptions["token"], reason: TokenReason): string | Promise<string> {
  return typeof token === "function" ? token(reason) : token ?? "";
}

/** The user that a token is for; the same for all tokens of a function, and none where there is no token. */
function userOf(token: UseChatOptions["token"]): string | undefined {
  if (typeof token !== "string") return token ? "" : undefined;
  try {
    const payload = token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
    const { sub } = JSON.parse(atob(payload));
    return String(sub);
  } catch {
    return token; // Not a JWT: each is a user of its own.
  }
}
