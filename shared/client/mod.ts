export { backoffDelayMs } from "./backoff_delay_ms.ts";
export { Chat, type MessageOptions, type OutgoingDirectMessage, type OutgoingMessage } from "./chat.ts";
export { ChatError, type ClientErrorCode } from "./chat_error.ts";
export type { ChatEvents } from "./chat_events.ts";
export { type ChatOptions, connectChat } from "./connect_chat.ts";
export type { ChatStatus } from "./link_keeper.ts";
export { localStorageOutbox } from "./local_storage_outbox.ts";
export { memoryStorage, type OutboxEntry, type OutboxStorage } from "./outbox_storage.ts";
export type { TokenReason, TokenSource } from "./transport.ts";
