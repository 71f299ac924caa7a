import type { RealtimeServerEvent } from "openai/resources/realtime/realtime";

type WithoutId<Event> = Event extends unknown ? Omit<Event, "event_id"> : never;

/** An event of the server, before it has its id. */
export type ServerEvent = WithoutId<RealtimeServerEvent>;

/** Takes events that go to the client, in order. */
export type Emit = (event: ServerEvent) => void;

/** Makes an id that begins with `prefix`, as `item_1_7`: another one each time, and in every session. */
export type NewId = (prefix: string) => string;
