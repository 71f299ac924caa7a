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
  /** The users that changed after version `from`, as they are at `version`; without them, a reminder of which it is. */
  | {
    readonly kind: "presence";
    readonly version: number;
    readonly from?: number;
    readonly users?: readonly LocalPresence[];
  }
  /** Everyone on the isolate that sends it. */
  | { readonly kind: "present"; readonly version: number; readonly users: readonly LocalPresence[] }
  /** Asks the others for everyone on them; one of which the `known` version is still right need not answer. */
  | { readonly kind: "who"; readonly known?: Readonly<Record<string, number>> };

/** What a member is told: who came and who went, or who is here. */
export interface PresenceNews {
  readonly joined?: PresentMember[];
  readonly left?: PresentMember[];
  /** Who has been here longest: the beginning of the list. */
  readonly state?: PresentMember[];
  /** With `state`: how many more are here than the whole list names; not there where it names all. */
  readonly members_left_out?: number;
  /** Those `joined` are behind the beginning of the list: one frame holds only so many. */
  readonly already?: true;
}

/** What the presence of a room is given. */
export interface PresenceOptions {
  /** The name by which the others hear of this isolate. */
  readonly isolateId: string;
  /** Tells the members here; `except` is a connection that knows. */
  readonly announce: (news: PresenceNews, except?: string) => void;
  readonly publish: (hint: PresenceHint) => void;
  /** A number above all that were given for this room on this isolate before, so that what it says now is newer. */
  readonly firstVersion: number;
  /** How long one whose last connection went is still shown, in milliseconds: one who comes back by then never left. */
  readonly leaveGraceMs: number;
  /** How long the others have to answer, in milliseconds; 0: they answer before `ready` is over, or there are none. */
  readonly answerMs: number;
  /** The other isolates that are alive; `undefined`: that is not known yet. */
  readonly others: () => readonly string[] | undefined;
}

/** A bus that cannot be reached keeps nobody from seeing who is here for longer than this. */
const LONGEST_HOLD_MS = 1_500;
/**
 * What changed is told at once, and who came again after each of these times: within the grace of one who only moved, for
 * whoever misses it may say that he left. Who went is told once more, and one of several connections not at all: there is
 * time to ask.
 */
const TELL_AGAIN_AFTER_MS = [150, 250, 350, 500, 600];
/** Changes that follow each other closely are told together. */
const TELL_TOGETHER_MS = 50;
/** Of changes that were told before: how many go along with a new one, and how many are told again. */
const MOST_ALONG = 8;
const MOST_AGAIN = 100;
/** Who misses something waits for it to be told again before asking; not all of them for as long. */
const ASK_BEHIND_MS = 200;
/** A newcomer asks once more at last, for an answer that was lost. */
const ASK_AT_LAST_MS = 1_500;
/** Reminders for one who has missed all of that come with so many beats after a change. */
const REMIND_BEATS = 3;
/** After a loss each isolate that held users is to be heard of the room within so many beats, or it holds it no more. */
const ANSWER_BEATS = 3;

/** News go out together: after so long, and a millisecond more for each who is there, as each is sent to all of them. */
const COLLECT_MS = 20;
const MAX_COLLECT_MS = 1_000;

/** A list names so many and no more: each who comes gets it, and whoever leaves and comes again has it made once more. */
const MAX_LISTED = 500;
/**
 * No frame names all: for each socket the runtime keeps a buffer as large as the largest frame that it was sent. A list goes
 * out in frames of ten, or a tenth of it, as to send one costs as much as some 50 names.
 */
const LISTED_A_FRAME = 10;
const MAX_LIST_FRAMES = 10;
const NEWS_A_FRAME = 50;

interface Shown {
  name?: string;
  /** Over all isolates. */
  connections: number;
  leaving?: ReturnType<typeof setTimeout>;
  /** How often the others were asked since his last connection went. */
  asked?: number;
}

interface RemoteIsolate {
  version: number;
  readonly users: Map<string, LocalPresence>;
}

/**
 * Who is in a room, by user, with a count of connections, over all isolates. The members here hear of one who comes with
 * his first connection and goes with his last, wherever they are; a hand-over or a reconnect in between shows nothing.
 *
 * Hints may be lost, doubled and overtaken: who came is told several times over, who misses something asks, nobody
 * is said to have left before the others were asked whether he is with them, and what an isolate held is given up when
 * it is gone. Until the others have answered for the first time, or had the time to, nobody here is told anything: a
 * list that is too short is worse than one that comes a moment later.
 */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #shown = new Map<string, Shown>();
  readonly #here = new Map<string, { name?: string; connections: number }>();
  readonly #elsewhere = new Map<string, RemoteIsolate>();
  /** Isolates that were given up with users on them. */
  readonly #givenUp = new Set<string>();
  /** Isolates with users on them of which nothing was heard since the last loss. */
  readonly #unheard = new Set<string>();
  #beatsUnheard = 0;
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** Users of this isolate that changed lately, each with the version that it made, oldest first. */
  readonly #recent = new Map<string, number>();
  /** The isolates that were heard of this room: without any, nobody misses what is told. */
  readonly #hearers = new Set<string>();
  #version: number;
  /** What changed up to this version is told no more. */
  #settledVersion: number;
  #toldVersion: number;
  #timesTold = 0;
  #timesToTell = 0;
  #remindBeats = 0;
  #isKnown = false;
  /** Somebody wanted the list before it was known. */
  #isAwaited = false;
  /** Who came and who went since the last news, and the connections that know of those who came. */
  readonly #news = { joined: new Map<string, PresentMember>(), left: new Map<string, PresentMember>() };
  #knowing = new Set<string>();

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#version = this.#settledVersion = this.#toldVersion = options.firstVersion;
    this.#after("known", Math.max(LONGEST_HOLD_MS, options.answerMs), () => this.#know());
  }

  /** What the others say is heard from now on, for the first time or again after a loss. */
  ready(): void {
    const { answerMs } = this.#options;
    this.#doubt();
    this.#ask();
    if (this.#recent.size > 0) this.#tellChanges(MOST_AGAIN);
    else if (this.#hasChanged) this.#remind();
    if (!this.#isKnown) {
      if (answerMs === 0) return this.#know();
      this.#after("known", answerMs, () => this.#know());
      this.#checkAnswers();
    }
    this.#after("ask once more", answerMs / 2, () => {
      this.#ask();
      this.#after("ask once more", ASK_AT_LAST_MS, () => this.#ask());
    });
  }

  /** Counts a connection of this isolate. */
  enter(userId: string, name: string | undefined, pid: string): void {
    const connections = (this.#here.get(userId)?.connections ?? 0) + 1;
    this.#here.set(userId, { ...(name !== undefined && { name }), connections });
    this.#count(userId, name, 1, pid);
    this.#changed(userId, TELL_AGAIN_AFTER_MS.length);
  }

  /** Takes one away. */
  exit(userId: string): void {
    const user = this.#here.get(userId);
    if (user === undefined) return;
    if (--user.connections === 0) this.#here.delete(userId);
    this.#count(userId, user.name, -1);
    this.#changed(userId, this.#shown.get(userId)?.leaving === undefined ? 0 : 1);
  }

  /** Takes in what another isolate says. */
  hear(isolateId: string, hint: PresenceHint): void {
    this.#unheard.delete(isolateId);
    this.#hearers.add(isolateId);
    switch (hint.kind) {
      case "presence":
        return this.#hearChanges(isolateId, hint.version, hint.from, hint.users);
      case "present":
        return this.#hearAll(isolateId, hint.version, hint.users);
      case "who":
        if (hint.known?.[this.#options.isolateId] !== this.#version) this.#tellAll();
    }
  }

  /** Gives up what an isolate held. */
  drop(isolateId: string): void {
    this.#hearers.delete(isolateId);
    const isolate = this.#elsewhere.get(isolateId);
    if (isolate === undefined) return;
    this.#elsewhere.delete(isolateId);
    this.#unheard.delete(isolateId);
    if (isolate.users.size > 0) this.#givenUp.add(isolateId);
    for (const { user_id, name, connections } of isolate.users.values()) this.#count(user_id, name, -connections);
  }

  /** An isolate that was given up is there all the same: what it held has to be asked for. */
  returned(isolateId: string): void {
    if (this.#givenUp.delete(isolateId)) this.#ask();
  }

  /**
   * Asks on after a loss, and gives the version that the others are to be reminded of with this beat, for some beats
   * after the last change.
   */
  beat(): number | undefined {
    this.#askUnheard();
    if (this.#remindBeats === 0) return undefined;
    this.#remindBeats--;
    return this.#version;
  }

  /** How often users here have come and gone, above `firstVersion`. */
  get version(): number {
    return this.#version;
  }

  /** Who is shown, the first `MAX_LISTED`, in frames; `undefined` while that is not known: then it is announced once it is. */
  list(): readonly PresenceNews[] | undefined {
    if (this.#isKnown) return this.#list();
    this.#isAwaited = true;
  }

  /** Ends all timers. */
  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    for (const { leaving } of this.#shown.values()) clearTimeout(leaving);
  }

  #list(): readonly PresenceNews[] {
    const members: PresentMember[] = [];
    for (const [user_id, { name, connections }] of this.#shown) {
      if (members.length === MAX_LISTED) break;
      members.push(memberOf(user_id, name, Math.max(1, connections)));
    }
    // The others are still to hear that these have left; of one who is back before that nobody hears anything.
    const { left } = this.#news;
    for (const { user_id, name } of left.values()) {
      if (members.length < MAX_LISTED) members.push(memberOf(user_id, name, 1));
    }
    const leftOut = this.#shown.size + left.size - members.length;
    const each = Math.max(LISTED_A_FRAME, Math.ceil(members.length / MAX_LIST_FRAMES));
    const rest: PresenceNews[] = [];
    for (let at = each; at < members.length; at += each) {
      rest.push({ joined: members.slice(at, at + each), already: true });
    }
    return [{ state: members.slice(0, each), ...(leftOut > 0 && { members_left_out: leftOut }) }, ...rest];
  }

  #know(): void {
    this.#cancel("known");
    if (this.#isKnown) return;
    this.#isKnown = true;
    if (!this.#isAwaited) return this.#announce();
    this.#news.joined.clear();
    this.#news.left.clear();
    this.#knowing = new Set();
    for (const part of this.#list()) this.#options.announce(part);
  }

  /** Whether all that are alive have said who is on them. */
  #checkAnswers(): void {
    if (!this.#isKnown && this.#options.others()?.every((isolateId) => this.#elsewhere.has(isolateId))) this.#know();
  }

  #hearChanges(
    isolateId: string,
    version: number,
    from: number | undefined,
    users: readonly LocalPresence[] | undefined,
  ): void {
    const isolate = this.#elsewhere.get(isolateId);
    if (isolate !== undefined && version <= isolate.version) return;
    if (isolate === undefined || users === undefined || from === undefined || from > isolate.version) {
      return this.#askSoon(ASK_BEHIND_MS * (1 + Math.random() / 2));
    }
    isolate.version = version;
    for (const user of users) this.#replace(isolate, user);
  }

  #hearAll(isolateId: string, version: number, users: readonly LocalPresence[]): void {
    const isolate = this.#elsewhere.get(isolateId) ?? { version: 0, users: new Map() };
    if (version < isolate.version) return;
    this.#elsewhere.set(isolateId, isolate);
    this.#givenUp.delete(isolateId);
    isolate.version = version;
    const now = new Set(users.map(({ user_id }) => user_id));
    for (const user of users) this.#replace(isolate, user);
    for (const user of [...isolate.users.values()]) {
      if (!now.has(user.user_id)) this.#replace(isolate, { ...user, connections: 0 });
    }
    this.#checkAnswers();
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
      if (shown.leaving === undefined) {
        shown.leaving = setTimeout(() => this.#left(userId, shown), this.#options.leaveGraceMs);
        shown.asked = 0;
      }
      this.#askBeforeLeaves();
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
    if (this.#isKnown && !this.#timers.has("news")) this.#announce();
  }

  /** After a quiet spell at once; what comes then is collected for a while. */
  #announce(): void {
    const { joined, left } = this.#news;
    if (joined.size === 0 && left.size === 0) return;
    const collectMs = Math.min(MAX_COLLECT_MS, COLLECT_MS + this.#shown.size);
    this.#after("news", collectMs, () => this.#announce());
    const [came, went] = [[...joined.values()], [...left.values()]];
    // Only one who came alone can be spared the news: the others have to hear of each other.
    const [except] = joined.size === 1 && left.size === 0 ? this.#knowing : [];
    joined.clear();
    left.clear();
    this.#knowing = new Set();
    for (let at = 0; at < Math.max(came.length, went.length); at += NEWS_A_FRAME) {
      const change = {
        ...(at < came.length && { joined: came.slice(at, at + NEWS_A_FRAME) }),
        ...(at < went.length && { left: went.slice(at, at + NEWS_A_FRAME) }),
      };
      this.#options.announce(change, except);
    }
  }

  /** Twice within the grace of one who leaves: he may have come elsewhere, and nobody here has heard of it. */
  #askBeforeLeaves(): void {
    const { leaveGraceMs } = this.#options;
    if (this.#timers.has("ask before leaves") || leaveGraceMs === 0) return;
    this.#after("ask before leaves", leaveGraceMs / 3, () => {
      let isAskedTwice = true;
      for (const shown of this.#shown.values()) {
        if (shown.leaving === undefined) continue;
        shown.asked = (shown.asked ?? 0) + 1;
        if (shown.asked < 2) isAskedTwice = false;
      }
      this.#ask();
      if (!isAskedTwice) this.#askBeforeLeaves();
    });
  }

  #askSoon(delayMs: number): void {
    if (!this.#timers.has("ask")) this.#after("ask", delayMs, () => this.#ask());
  }

  /** Everyone answers whose version has changed, and those that are `doubted` in any case. */
  #ask(doubted?: ReadonlySet<string>): void {
    if (this.#options.others()?.length === 0 && this.#isKnown) return;
    const sure = [...this.#elsewhere].filter(([isolateId]) => doubted?.has(isolateId) !== true);
    const known = Object.fromEntries(sure.map(([isolateId, { version }]) => [isolateId, version]));
    this.#options.publish({ kind: "who", known });
  }

  /**
   * An isolate may have told of its last one here while this one could not hear, and let the room go: it lives on, but
   * hears no question about the room any more.
   */
  #doubt(): void {
    for (const [isolateId, { users }] of this.#elsewhere) if (users.size > 0) this.#unheard.add(isolateId);
    this.#beatsUnheard = 0;
  }

  #askUnheard(): void {
    if (this.#unheard.size === 0) return;
    if (this.#beatsUnheard++ < ANSWER_BEATS) return this.#ask(this.#unheard);
    for (const isolateId of [...this.#unheard]) this.drop(isolateId);
  }

  #changed(userId: string, timesToTellAgain: number): void {
    const isFirst = !this.#hasChanged;
    this.#version++;
    this.#remindBeats = REMIND_BEATS;
    this.#recent.delete(userId);
    this.#recent.set(userId, this.#version);
    this.#timesTold = 0;
    this.#timesToTell = Math.max(this.#timesToTell, timesToTellAgain);
    if (!this.#timers.has("tell again")) this.#tellAgainLater();
    if (isFirst) this.#tellAll();
    else if (!this.#timers.has("tell")) this.#tellNew();
  }

  /** Tells what has not been told, and a little of what has; then collects for a moment. */
  #tellNew(): void {
    if (this.#toldVersion === this.#version) return;
    const isNew = [...this.#recent.values()].filter((version) => version > this.#toldVersion).length;
    this.#tellChanges(isNew + MOST_ALONG);
    this.#after("tell", TELL_TOGETHER_MS, () => this.#tellNew());
  }

  #tellAgainLater(): void {
    const delayMs = TELL_AGAIN_AFTER_MS[this.#timesTold++];
    if (delayMs !== undefined) {
      return this.#after("tell again", delayMs, () => {
        if (this.#timesToTell-- > 0 && !this.#isAlone) this.#tellChanges(MOST_AGAIN);
        this.#tellAgainLater();
      });
    }
    this.#timesToTell = 0;
    for (const [userId, version] of this.#recent) {
      if (this.#recent.size <= MOST_ALONG) break;
      this.#recent.delete(userId);
      this.#settledVersion = version;
    }
  }

  /** All who could be here too were asked, and nobody answered. */
  get #isAlone(): boolean {
    return this.#hearers.size === 0 && this.#isKnown && !this.#timers.has("ask once more");
  }

  #remind(): void {
    this.#options.publish({ kind: "presence", version: this.#version });
  }

  get #hasChanged(): boolean {
    return this.#version > this.#options.firstVersion;
  }

  /** Tells of the users that changed last. */
  #tellChanges(most: number): void {
    const recent = [...this.#recent];
    const first = Math.max(0, recent.length - most);
    const users = recent.slice(first).map(([userId]) => this.#userHere(userId));
    this.#toldVersion = this.#version;
    const from = recent[first - 1]?.[1] ?? this.#settledVersion;
    this.#options.publish({ kind: "presence", version: this.#version, from, users });
  }

  #tellAll(): void {
    const users = [...this.#here.keys()].map((userId) => this.#userHere(userId));
    this.#toldVersion = this.#version;
    this.#options.publish({ kind: "present", version: this.#version, users });
  }

  #userHere(userId: string): LocalPresence {
    const { name, connections = 0 } = this.#here.get(userId) ?? {};
    return memberOf(userId, name, connections);
  }

  #after(name: string, delayMs: number, action: () => void): void {
    this.#cancel(name);
    const timer = setTimeout(() => {
      this.#timers.delete(name);
      action();
    }, delayMs);
    this.#timers.set(name, timer);
  }

  #cancel(name: string): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

function memberOf(user_id: string, name: string | undefined, connections: number): PresentMember {
  return { user_id, ...(name !== undefined && { name }), connections };
}
