import type { PresentMember } from "../protocol/chat_server_frames.ts";

/** A user's connections to a room on one isolate; none: he is gone from there. */
export interface LocalPresence {
  readonly user_id: string;
  readonly name?: string;
  readonly connections: number;
}

/**
 * What isolates tell each other of a room's presence. Each counts its own changes: `version` tells another that it has
 * missed one.
 */
export type PresenceHint =
  /** The change that made this version; without `user`, a reminder of which version it is. */
  | { readonly kind: "presence"; readonly version: number; readonly user?: LocalPresence }
  /** Everyone on the isolate that sends it. */
  | { readonly kind: "present"; readonly version: number; readonly users: readonly LocalPresence[] }
  /** Asks one isolate, or all, for everyone on it. */
  | { readonly kind: "who"; readonly of?: string };

/** What the presence of a room is given. */
export interface PresenceOptions {
  /** The name by which the others hear of this isolate. */
  readonly isolateId: string;
  /** Tells the members here who came and who went; `except` is a connection that knows. */
  readonly announce: (
    change: { joined?: readonly PresentMember[]; left?: readonly PresentMember[] },
    except?: string,
  ) => void;
  readonly publish: (hint: PresenceHint) => void;
  /** A number above all that were given for this room on this isolate before, so that what it says now is newer. */
  readonly firstVersion: number;
  /** How long one whose last connection went is still shown, in milliseconds: one who comes back by then never left. */
  readonly leaveGraceMs: number;
}

/** A reminder follows a change after so long, for those who missed it. */
const REMIND_AFTER_MS = 250;
/** And for so many beats. */
const REMIND_BEATS = 3;
/** A newcomer asks so often who is there, as a question may be lost as well. */
const ASK_AT_MS = [0, 300, 1_500];

/** News go out together: after so long, and a millisecond more for each who is there, as each is sent to all of them. */
const COLLECT_MS = 20;
const MAX_COLLECT_MS = 1_000;

interface Shown {
  name?: string;
  /** Over all isolates. */
  connections: number;
  leaving?: ReturnType<typeof setTimeout>;
}

interface RemoteIsolate {
  version: number;
  readonly users: Map<string, LocalPresence>;
}

/**
 * Who is in a room, by user, with a count of connections, over all isolates. The members here hear of one who comes with
 * his first connection and goes with his last, wherever they are; a hand-over or a reconnect in between shows nothing.
 * Lost hints are made good by reminders, and what an isolate held is given up when it is gone.
 */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #shown = new Map<string, Shown>();
  readonly #here = new Map<string, { name?: string; connections: number }>();
  readonly #elsewhere = new Map<string, RemoteIsolate>();
  readonly #asking: ReturnType<typeof setTimeout>[];
  #version: number;
  #reminder: ReturnType<typeof setTimeout> | undefined;
  #remindBeats = 0;
  /** Who came and who went since the last news, and the connections that know of those who came. */
  readonly #news = { joined: new Map<string, PresentMember>(), left: new Map<string, PresentMember>() };
  #knowing = new Set<string>();
  #newsTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#version = options.firstVersion;
    this.#asking = ASK_AT_MS.map((delayMs) => setTimeout(() => options.publish({ kind: "who" }), delayMs));
  }

  /** Counts a connection of this isolate. */
  enter(userId: string, name: string | undefined, pid: string): void {
    const connections = (this.#here.get(userId)?.connections ?? 0) + 1;
    this.#here.set(userId, { ...(name !== undefined && { name }), connections });
    this.#count(userId, name, 1, pid);
    this.#publishChange(userId);
  }

  /** Takes one away. */
  exit(userId: string): void {
    const user = this.#here.get(userId);
    if (user === undefined) return;
    if (--user.connections === 0) this.#here.delete(userId);
    this.#count(userId, user.name, -1);
    this.#publishChange(userId);
  }

  /** Takes in what another isolate says. */
  hear(isolateId: string, hint: PresenceHint): void {
    switch (hint.kind) {
      case "presence":
        return this.#hearVersion(isolateId, hint.version, hint.user);
      case "present":
        return this.#hearAll(isolateId, hint.version, hint.users);
      case "who":
        if (this.#hasChanged && (hint.of === undefined || hint.of === this.#options.isolateId)) this.#publishAll();
    }
  }

  /** Gives up what an isolate held. */
  drop(isolateId: string): void {
    const isolate = this.#elsewhere.get(isolateId);
    if (isolate === undefined) return;
    this.#elsewhere.delete(isolateId);
    for (const { user_id, name, connections } of isolate.users.values()) this.#count(user_id, name, -connections);
  }

  /** Reminds the others of this isolate's version, for some beats after its last change. */
  beat(): void {
    if (this.#remindBeats === 0) return;
    this.#remindBeats--;
    this.#options.publish({ kind: "presence", version: this.#version });
  }

  /** Everyone who is shown. */
  list(): PresentMember[] {
    return [...this.#shown].map(([user_id, { name, connections }]) =>
      memberOf(user_id, name, Math.max(1, connections))
    );
  }

  /** Ends all timers. */
  close(): void {
    for (const timer of this.#asking) clearTimeout(timer);
    clearTimeout(this.#reminder);
    clearTimeout(this.#newsTimer);
    for (const { leaving } of this.#shown.values()) clearTimeout(leaving);
  }

  #hearVersion(isolateId: string, version: number, user: LocalPresence | undefined): void {
    const isolate = this.#elsewhere.get(isolateId) ?? { version: 0, users: new Map() };
    if (version <= isolate.version) return;
    if (user === undefined || version > isolate.version + 1) {
      return this.#options.publish({ kind: "who", of: isolateId });
    }
    this.#elsewhere.set(isolateId, isolate);
    isolate.version = version;
    this.#replace(isolate, user);
  }

  #hearAll(isolateId: string, version: number, users: readonly LocalPresence[]): void {
    const isolate = this.#elsewhere.get(isolateId) ?? { version: 0, users: new Map() };
    if (version < isolate.version) return;
    this.#elsewhere.set(isolateId, isolate);
    isolate.version = version;
    const now = new Set(users.map(({ user_id }) => user_id));
    for (const user of users) this.#replace(isolate, user);
    for (const user of [...isolate.users.values()]) {
      if (!now.has(user.user_id)) this.#replace(isolate, { ...user, connections: 0 });
    }
  }

  #replace(isolate: RemoteIsolate, user: LocalPresence): void {
    const before = isolate.users.get(user.user_id)?.connections ?? 0;
    if (user.connections > 0) isolate.users.set(user.user_id, user);
    else isolate.users.delete(user.user_id);
    this.#count(user.user_id, user.name, user.connections - before);
  }

  #count(userId: string, name: string | undefined, change: number, except?: string): void {
    if (change === 0) return;
    const shown = this.#shown.get(userId);
    if (shown === undefined) {
      if (change < 0) return;
      this.#shown.set(userId, { ...(name !== undefined && { name }), connections: change });
      return this.#tell("joined", memberOf(userId, name, change), except);
    }
    shown.connections = Math.max(0, shown.connections + change);
    if (shown.connections === 0) {
      shown.leaving ??= setTimeout(() => this.#left(userId, shown), this.#options.leaveGraceMs);
    } else if (shown.leaving !== undefined) {
      clearTimeout(shown.leaving);
      delete shown.leaving;
    }
  }

  #left(userId: string, { name }: Shown): void {
    this.#shown.delete(userId);
    this.#tell("left", memberOf(userId, name, 0));
  }

  /** Puts a change with the others that go out soon; one that undoes another of them is none. */
  #tell(kind: "joined" | "left", member: PresentMember, knows?: string): void {
    const { joined, left } = this.#news;
    if (!(kind === "joined" ? left : joined).delete(member.user_id)) this.#news[kind].set(member.user_id, member);
    if (knows !== undefined) this.#knowing.add(knows);
    if (this.#newsTimer === undefined) this.#announce();
  }

  /** After a quiet spell at once; what comes then is collected for a while. */
  #announce(): void {
    const { joined, left } = this.#news;
    if (joined.size === 0 && left.size === 0) return;
    const collectMs = Math.min(MAX_COLLECT_MS, COLLECT_MS + this.#shown.size);
    this.#newsTimer = setTimeout(() => {
      this.#newsTimer = undefined;
      this.#announce();
    }, collectMs);
    const change = {
      ...(joined.size > 0 && { joined: [...joined.values()] }),
      ...(left.size > 0 && { left: [...left.values()] }),
    };
    // Only one who came alone can be spared the news: the others have to hear of each other.
    const [except] = joined.size === 1 && left.size === 0 ? this.#knowing : [];
    joined.clear();
    left.clear();
    this.#knowing = new Set();
    this.#options.announce(change, except);
  }

  #publishChange(userId: string): void {
    const { name, connections = 0 } = this.#here.get(userId) ?? {};
    const isFirst = !this.#hasChanged;
    this.#version++;
    this.#remindBeats = REMIND_BEATS;
    if (isFirst) this.#publishAll();
    else this.#options.publish({ kind: "presence", version: this.#version, user: memberOf(userId, name, connections) });
    this.#reminder ??= setTimeout(() => {
      this.#reminder = undefined;
      this.#options.publish({ kind: "presence", version: this.#version });
    }, REMIND_AFTER_MS);
  }

  get #hasChanged(): boolean {
    return this.#version > this.#options.firstVersion;
  }

  #publishAll(): void {
    const users = [...this.#here].map(([userId, { name, connections }]) => memberOf(userId, name, connections));
    this.#options.publish({ kind: "present", version: this.#version, users });
  }
}

function memberOf(user_id: string, name: string | undefined, connections: number): PresentMember {
  return { user_id, ...(name !== undefined && { name }), connections };
}
