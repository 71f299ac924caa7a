import type { AckFrame, ChatServerFrame, Message } from "../protocol/chat_server_frames.ts";
import type { ChatError } from "./chat_error.ts";
import type { ChatStatus } from "./link_keeper.ts";
import type { OutgoingFrame } from "./outbox_storage.ts";

/** The frames that an application hears of: a `batch` comes as what is in it. */
export type HeardFrame = Exclude<ChatServerFrame, { type: "batch" }>;

/**
 * What a chat client tells, by name: each frame of the server by its `type`, and what the client itself has to say.
 * Events of a room's log come in `seq` order, each once, over any number of connections; a `resync` says that this
 * could not be held in its room, and that `history` has what is missing.
 */
export type ChatEvents =
  & { [T in HeardFrame["type"]]: HeardFrame & { type: T } }
  & {
    /** The message of each `new_message`. */
    message: Message;
    status: ChatStatus;
    /** A message has its `ack`; also one that an earlier page sent, whose promise is gone with it. */
    sent: { readonly frame: OutgoingFrame; readonly ack: AckFrame };
    /** A message was refused for good. */
    refused: { readonly frame: OutgoingFrame; readonly error: ChatError };
  };
