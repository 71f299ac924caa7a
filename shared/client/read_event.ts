/** The type of an event stands so near the beginning of its text, as OpenAI and its clients write it. */
const NEAR = 256;

/** What is read of an event. */
export interface SomeEvent {
  readonly type?: string;
  readonly event_id?: string | null;
  /** Of an `error` frame of the relay's own. */
  readonly code?: string;
  readonly error?: { readonly event_id?: string | null; readonly code?: string | null } | null;
}

/** The event that a frame is, where it is of this type. */
export function readEvent(data: unknown, type: string): SomeEvent | undefined {
  if (typeof data !== "string" || !data.slice(0, NEAR).includes(`"${type}"`)) return;
  try {
    const event: SomeEvent | null = JSON.parse(data);
    if (event?.type === type) return event;
  } catch {
    // Whatever it is, OpenAI takes no event from it either.
  }
}
