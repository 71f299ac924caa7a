// @ts-types="@types/react"
import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { AckFrame } from "../protocol/chat_server_frames.ts";
import { type Chat, ChatError } from "../client/mod.ts";
import { mayBeIgnored } from "../client/may_be_ignored.ts";
import { type RoomState, RoomView, type RoomViewOptions } from "./room_view.ts";

/** What a user does in a room. The functions stay the same as long as the chat and the room do. */
export interface RoomActions extends
  Pick<
    RoomView,
    "send" | "dm" | "retry" | "discard" | "notifyTyping" | "markAsRead" | "getUnreadCount" | "loadOlder"
  > {
  /** Changes the text of an own message. */
  readonly edit: (messageId: string, body: string) => Promise<AckFrame>;
  /** Deletes a message. */
  readonly remove: (messageId: string) => Promise<AckFrame>;
  /** Puts an emoji on a message, or takes it away where the user has put it there. */
  readonly react: (messageId: string, emoji: string) => Promise<AckFrame>;
}

/** A room as a component shows it. */
export interface Room extends RoomState, RoomActions {}

const NOTHING: RoomState = {
  messages: [],
  hasOlder: false,
  isLoading: true,
  present: [],
  presentLeftOut: 0,
  typing: [],
  unreadCount: undefined,
  error: undefined,
};

/**
 * One room of a chat, kept up to date while the component is there; all rooms that the chat hears of where `room` is left
 * out: see `RoomView`. Several may share one chat. `options` are read when the chat or the room changes.
 *
 * Where there is no chat, the room is empty and loading, and what is done in it rejects with `closed`.
 */
export function useRoom(chat: Chat | undefined, room?: string, options?: RoomViewOptions): Room {
  const view = useMemo(() => chat && new RoomView(chat, room, options), [chat, room]);
  useEffect(() => view?.open(), [view]);
  const getState = view?.state ?? nothing;
  const state = useSyncExternalStore(view?.subscribe ?? never, getState, getState);
  const actions = useMemo(() => view && chat ? actionsOf(view, chat) : CLOSED, [view]);
  return { ...state, ...actions };
}

function actionsOf(view: RoomView, chat: Chat): RoomActions {
  const { send, dm, retry, discard, notifyTyping, markAsRead, getUnreadCount, loadOlder } = view;
  return {
    ...{ send, dm, retry, discard, notifyTyping, markAsRead, getUnreadCount, loadOlder },
    edit: (messageId, body) => chat.edit(messageId, body),
    remove: (messageId) => chat.delete(messageId),
    react: (messageId, emoji) => {
      const { reactions = {} } = view.state().messages.find(({ id }) => id === messageId) ?? {};
      return chat.react(messageId, emoji, { remove: reactions[emoji]?.includes(chat.userId ?? "") ?? false });
    },
  };
}

const closed = () => mayBeIgnored(Promise.reject(new ChatError("closed", "There is no chat")));

const CLOSED: RoomActions = {
  send: closed,
  dm: closed,
  retry: closed,
  discard() {},
  notifyTyping() {},
  markAsRead: closed,
  getUnreadCount: closed,
  loadOlder: closed,
  edit: closed,
  remove: closed,
  react: closed,
};

function nothing(): RoomState {
  return NOTHING;
}

function never(): () => void {
  return () => {};
}
