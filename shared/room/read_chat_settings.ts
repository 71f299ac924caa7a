/** What the environment says of the chat itself. */
export interface ChatSettings {
  /** Whether a public room that does not exist is made by the first who joins it. */
  readonly createRooms: boolean;
  /** How many rooms may be open on an isolate, where that is not the default. */
  readonly maxRooms?: number;
}

/**
 * Reads `OPEN_ROOMS` (`true` or `false`, default `true`) and `MAX_ROOMS` (a whole number, at least 1). Throws a
 * `RangeError` that names the one that is wrong.
 */
export function readChatSettings(env: Readonly<Record<string, string | undefined>>): ChatSettings {
  const open = env.OPEN_ROOMS?.trim() || "true";
  if (open !== "true" && open !== "false") {
    throw new RangeError(`Cannot start as OPEN_ROOMS must be true or false: current value is "${open}"`);
  }
  const createRooms = open === "true";
  const most = env.MAX_ROOMS?.trim();
  if (!most) return { createRooms };
  const maxRooms = Number(most);
  if (!(Number.isSafeInteger(maxRooms) && maxRooms >= 1)) {
    throw new RangeError(`Cannot start as MAX_ROOMS must be a whole number >= 1: current value is "${most}"`);
  }
  return { createRooms, maxRooms };
}
