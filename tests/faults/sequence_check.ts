import type { ChatServerFrame } from "../../shared/protocol/chat_server_frames.ts";

/**
 * Holds one connection to its promise, frame by frame: the events of each room come by `seq`, none twice, none missing.
 * The client would drop a double, and fetch what is missing, without a word.
 */
export class SequenceCheck {
  readonly #onBroken: (what: string) => void;
  readonly #last = new Map<string, number>();

  constructor(onBroken: (what: string) => void) {
    this.#onBroken = onBroken;
  }

  /** Takes in the next frame of the connection. */
  take(frame: ChatServerFrame): void {
    switch (frame.type) {
      case "batch":
        for (const event of frame.events) this.take(event);
        return;
      case "new_message":
        return this.#event(frame.message.room, frame.message.seq);
      case "message_edited":
      case "message_deleted":
      case "reaction":
      case "message_read":
      case "member":
        return this.#event(frame.room, frame.seq);
      case "joined":
      case "left":
      case "resync":
        this.#last.delete(frame.room); // It begins anew from here.
    }
  }

  #event(room: string, seq: number): void {
    const last = this.#last.get(room);
    if (last !== undefined && seq !== last + 1) this.#onBroken(`${seq} of ${room} came after ${last}`);
    this.#last.set(room, Math.max(seq, last ?? 0));
  }
}

/** A WebSocket whose frames pass by a check of their own on their way to the client. */
export function checkedSocket(onBroken: (what: string) => void): new (url: string) => WebSocket {
  return class extends WebSocket {
    constructor(url: string) {
      super(url);
      const check = new SequenceCheck(onBroken);
      this.addEventListener("message", ({ data }) => check.take(JSON.parse(data as string)));
    }
  };
}
