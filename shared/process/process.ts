/** What a process is made of: pids, messages, behaviours, and what a behaviour may ask of the process that runs it. */

/** The address of a process, `ISOLATE.LOCAL`: unique over all isolates. */
export type Pid = string;

/** What arrives in a mailbox. */
export interface ProcessMessage<P = unknown> {
  /** What it is about. */
  readonly topic: string;
  /** What it says. */
  readonly payload: P;
}

/** Why a process ended: `normal`, or anything else for a failure. A crash is `crashed: ` and the error's name. */
export type ExitReason = string;

/** The end of a process as it should be. */
export const NORMAL: ExitReason = "normal";

/** The topic by which a process hears of the end of another that it monitors. */
export const EXIT = "EXIT";

/** The payload of `EXIT`. */
export interface ExitNotice {
  /** Who ended. */
  readonly pid: Pid;
  /** Why. */
  readonly reason: ExitReason;
}

/** The running process, as its own behaviour sees it. */
export interface Self {
  /** Its own address. */
  readonly pid: Pid;
  /** Hear of the end of `pid` as topic `EXIT`; at once with reason `noprocess` where there is none. */
  monitor(pid: Pid): void;
  /** Hear of it no more. */
  demonitor(pid: Pid): void;
  /** End together: whichever ends first, and why ever it does, the other ends with the same reason. */
  link(pid: Pid): void;
  /** Be reachable under `name` as well. Throws where another process has it. */
  register(name: string): void;
  /** End, once the handler that runs now has returned. What is left in the mailbox is dropped. */
  exit(reason?: ExitReason): void;
}

/**
 * A behaviour as an object of handlers by topic. Each message is handled to its end (an async handler is awaited) before
 * the next begins. A topic without a handler is dropped. A handler that throws ends the process, not the isolate.
 */
export type Handlers = {
  // Each handler knows the payload of its own topic, which the table of all of them cannot say.
  // deno-lint-ignore no-explicit-any
  readonly [topic: string]: (payload: any, self: Self) => unknown;
};

/** The messages of a process in the order of their arrival; it ends when the process is ended from outside. */
export type Inbox = AsyncIterable<ProcessMessage>;

/** A behaviour as a function over its inbox: the process ends when it returns (`normal`) or throws. */
export type InboxFunction = (inbox: Inbox, self: Self) => Promise<void>;

/** What a process does with its messages. */
export type Behaviour = object | InboxFunction;

/** What becomes of a message that is sent. */
export type SendResult =
  /** It was handled, or it waits in the mailbox. */
  | "ok"
  /** No process has this pid or name. */
  | "noprocess"
  /** The mailbox is full: the message was dropped. */
  | "mailbox_full";

/**
 * A process that messages are sent to often: found once, it is not looked up again. What is sent is the same as by
 * `Processes.send`, in the same order, and after the process has ended it is `noprocess`.
 */
export interface Recipient {
  /** Its address. */
  readonly pid: Pid;
  /** As `Processes.send`. */
  send(topic: string, payload: unknown, bytes?: number, inFlight?: InFlight): SendResult;
}

/** A message that its sender took back before it was handled, with the size that was given for it. */
export interface Returned extends ProcessMessage {
  /** What it counted as. */
  readonly bytes: number;
}

/** Who is charged for a message as long as it waits in a mailbox, so that a sender can bound what it has in flight. */
export interface InFlight {
  /** How many wait. */
  messages: number;
  /** What they count as. */
  bytes: number;
}

/**
 * The method of a behaviour that is an object by which it hears, once, that its process has ended and why, before those who
 * watch it do: for what it holds outside. No message can reach it, as its name is no topic.
 */
export const ENDED: unique symbol = Symbol("ended");

/** How a process is set up. */
export interface SpawnOptions {
  /** Reachable under this name as well. */
  name?: string;
  /** Messages that may wait; default 10,000. */
  maxMailboxMessages?: number;
  /** Bytes that may wait, as far as senders say how large their messages are; default 16 MiB. */
  maxMailboxBytes?: number;
  /** As the method `ENDED`, for a behaviour without one. */
  onExit?: (reason: ExitReason) => void;
}
