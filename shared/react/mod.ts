export type { AckFrame, LogFrame, Message, PresentMember } from "../protocol/chat_server_frames.ts";
export type { OutgoingFrame } from "../client/mod.ts";
export { KEPT_MESSAGES, MessageLog, type ShownMessage } from "./message_log.ts";
export { type RoomMessage, type RoomState, RoomView, type RoomViewOptions } from "./room_view.ts";
export { useChat, type UseChatOptions } from "./use_chat.ts";
export { useChatEvent } from "./use_chat_event.ts";
export { useChatStatus } from "./use_chat_status.ts";
export { type MessageWebSocket, type MessageWebSocketOptions, useMessageWebSocket } from "./use_message_web_socket.ts";
export { type Room, type RoomActions, useRoom } from "./use_room.ts";
