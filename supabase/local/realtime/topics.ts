import type { Broadcast } from "./broadcast.ts";
import { encodeBroadcast, type EncodedBroadcast } from "./encode_broadcast.ts";
import { Presence, type PresenceDiff } from "./presence.ts";

/** A topic; a private one and a public one of the same name have nothing to do with each other. */
export interface TopicName {
  /** Without `realtime:`. */
  topic: string;
  isPrivate: boolean;
}

/** A channel, as far as its topic needs it. */
export interface Member {
  /** Hands on a broadcast. */
  deliver(broadcast: EncodedBroadcast): void;
  /** Hands on a change of presence. */
  deliverPresence(diff: PresenceDiff): void;
}

/** One topic with members. */
interface Topic {
  members: Set<Member>;
  presence: Presence;
}

/** All topics of a project: who has joined each, and who is present there. */
export class Topics {
  readonly #topics = new Map<string, Topic>();

  join(name: TopicName, member: Member): void {
    const key = keyOf(name);
    const topic = this.#topics.get(key) ?? { members: new Set(), presence: new Presence() };
    this.#topics.set(key, topic);
    topic.members.add(member);
  }

  /** Ends a membership and the member's presence. */
  leave(name: TopicName, member: Member): void {
    const topic = this.#topics.get(keyOf(name));
    if (!topic) return;
    topic.members.delete(member);
    this.untrack(name, member);
    if (topic.members.size === 0) this.#topics.delete(keyOf(name));
  }

  /** Hands a broadcast to all members but `from`. */
  publish(name: TopicName, broadcast: Broadcast, from?: Member): void {
    const topic = this.#topics.get(keyOf(name));
    if (!topic) return;
    const encoded = encodeBroadcast(`realtime:${name.topic}`, broadcast);
    for (const member of topic.members) if (member !== from) member.deliver(encoded);
  }

  /** The presence of a topic that has members. */
  presenceOf(name: TopicName): Presence | undefined {
    return this.#topics.get(keyOf(name))?.presence;
  }

  /** Tracks a member's presence, and tells all members, this one too. */
  track(name: TopicName, member: Member, key: string, payload: Readonly<Record<string, unknown>>): void {
    const topic = this.#topics.get(keyOf(name));
    if (topic) tellPresence(topic, topic.presence.track(member, key, payload));
  }

  untrack(name: TopicName, member: Member): void {
    const topic = this.#topics.get(keyOf(name));
    const diff = topic?.presence.untrack(member);
    if (topic && diff) tellPresence(topic, diff);
  }
}

function tellPresence({ members }: Topic, diff: PresenceDiff): void {
  for (const member of members) member.deliverPresence(diff);
}

function keyOf({ topic, isPrivate }: TopicName): string {
  return `${isPrivate ? "private" : "public"}:${topic}`;
}
