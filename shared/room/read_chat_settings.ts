/** What the environment says of the chat itself. */
export interface ChatSettings {
  /** Whether a public room that does not exist is made by the first who joins it. */
  readonly createRooms: boolean;
}

/** Reads `OPEN_ROOMS` (`true` or `false`, default `true`). Throws a `RangeError` that names it. */
export function readChatSettings(env: Readonly<Record<string, string | undefined>>): ChatSettings {
  const raw = env.OPEN_ROOMS?.trim() || "true";
  if (raw !== "true" && raw !== "false") {
    throw new RangeError(`Cannot start as OPEN_ROOMS must be true or false: current value is "${raw}"`);
  }
  return { createRooms: raw === "true" };
}
