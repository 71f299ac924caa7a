/** Begins the ids that the relay gives to events of clients that have none, so that their answers are told apart. */
export const OWN_ID = "relay_recorded_";

/** An id of an event as OpenAI writes them. */
export function createEventId(): string {
  return `event_${crypto.randomUUID().replaceAll("-", "")}`;
}

/** The id that a client gave its event; `null` where it gave none, as OpenAI's errors say it. */
export function clientEventId(id: unknown): string | null {
  return typeof id === "string" && !id.startsWith(OWN_ID) ? id : null;
}

/** An id for an event of a client that has none. */
export function createOwnId(): string {
  return OWN_ID + createEventId();
}
