/** One tracked presence of a key, as clients see it: what was tracked, and the name of this version of it. */
export type PresenceMeta = Readonly<Record<string, unknown>> & { readonly phx_ref: string };

/** Presences by key. */
export type PresenceState = Record<string, { metas: PresenceMeta[] }>;

/** What one change did. */
export interface PresenceDiff {
  joins: PresenceState;
  leaves: PresenceState;
}

/** Who is present on one topic: any number of members under a key, each with what it tracks. */
export class Presence {
  readonly #metas = new Map<object, { key: string; meta: PresenceMeta }>();

  get isEmpty(): boolean {
    return this.#metas.size === 0;
  }

  /** All that is tracked now. */
  get state(): PresenceState {
    const state: PresenceState = Object.create(null);
    for (const { key, meta } of this.#metas.values()) (state[key] ??= { metas: [] }).metas.push(meta);
    return state;
  }

  /** Tracks `payload` for a member, in the place of what it tracked before. */
  track(member: object, key: string, payload: Readonly<Record<string, unknown>>): PresenceDiff {
    const before = this.#metas.get(member)?.meta;
    const previous = before ? { phx_ref_prev: before.phx_ref } : {};
    const meta: PresenceMeta = { ...payload, ...previous, phx_ref: newRef() };
    this.#metas.set(member, { key, meta });
    return { joins: only(key, meta), leaves: before ? only(key, before) : {} };
  }

  /** Forgets a member; undefined if it tracked nothing. */
  untrack(member: object): PresenceDiff | undefined {
    const tracked = this.#metas.get(member);
    if (!tracked) return undefined;
    this.#metas.delete(member);
    return { joins: {}, leaves: only(tracked.key, tracked.meta) };
  }
}

function only(key: string, meta: PresenceMeta): PresenceState {
  return Object.assign(Object.create(null), { [key]: { metas: [meta] } });
}

function newRef(): string {
  return crypto.getRandomValues(new Uint8Array(9)).toBase64({ alphabet: "base64url" });
}
