import type { PresentMember } from "../protocol/chat_server_frames.ts";

/** Who is in a room, by user, with the number of connections each has. */
export class Presence {
  readonly #users = new Map<string, { user_id: string; name?: string; connections: number }>();

  /** Counts a connection; gives the user where it is his first. */
  enter(userId: string, name: string | undefined): PresentMember | undefined {
    const present = this.#users.get(userId);
    if (present !== undefined) {
      present.connections++;
      return undefined;
    }
    const user = { user_id: userId, ...(name !== undefined && { name }), connections: 1 };
    this.#users.set(userId, user);
    return { ...user };
  }

  /** Takes a connection away; gives the user where it was his last. */
  exit(userId: string): PresentMember | undefined {
    const present = this.#users.get(userId);
    if (present === undefined || --present.connections > 0) return undefined;
    this.#users.delete(userId);
    return { ...present };
  }

  /** All who are here. */
  list(): PresentMember[] {
    return [...this.#users.values()].map((user) => ({ ...user }));
  }
}
