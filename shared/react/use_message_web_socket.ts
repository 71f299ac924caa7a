import type { Chat, ChatStatus } from "../client/mod.ts";
import type { RoomViewOptions } from "./room_view.ts";
import { useChat, type UseChatOptions } from "./use_chat.ts";
import { useChatStatus } from "./use_chat_status.ts";
import { type Room, useRoom } from "./use_room.ts";

/** What `useMessageWebSocket` is given: see `useChat` and `RoomViewOptions`. */
export interface MessageWebSocketOptions extends UseChatOptions, RoomViewOptions {}

/** A room, and the chat that it is seen over. */
export interface MessageWebSocket extends Room {
  /** Of the connection. */
  readonly status: ChatStatus;
  /** Who the server says that this is, once it has said so. */
  readonly userId: string | undefined;
  /** The chat, for what is not here: its events (see `useChatEvent`), other rooms (see `useRoom`). None before it is made. */
  readonly chat: Chat | undefined;
}

/**
 * A chat of its own and the room it is for, in one: messages, unread count, presence, typing and status, and what a user
 * does there. Without `room` it is the inbox: what comes in all rooms of the user, and how much of it is unread.
 *
 * ```tsx
 * function Lobby({ token }: { token: string }) {
 *   const { messages, unreadCount, status, send, markAsRead } = useMessageWebSocket({ url, token, room: "lobby" });
 *   return (
 *     <>
 *       <h1>Lobby ({unreadCount ?? "…"} unread, {status.status})</h1>
 *       <ul>{messages.map(({ key, body, state }) => <li key={key} className={state}>{body}</li>)}</ul>
 *       <button onClick={() => send("hello")}>Say hello</button>
 *       <button onClick={() => markAsRead()}>All read</button>
 *     </>
 *   );
 * }
 * ```
 */
export function useMessageWebSocket(
  { pageSize, maxMessages, ...options }: MessageWebSocketOptions,
): MessageWebSocket {
  const chat = useChat(options);
  const status = useChatStatus(chat);
  const room = useRoom(chat, options.room, {
    ...(pageSize !== undefined && { pageSize }),
    ...(maxMessages !== undefined && { maxMessages }),
  });
  return { ...room, status, userId: chat?.userId, chat };
}
