import { LOG_LEVELS, type LogLevel } from "./log.ts";

/** The level that `LOG_LEVEL` asks for; `info` where it is not set. Throws a `RangeError` that names the variable. */
export function readLogLevel(env: Readonly<Record<string, string | undefined>>): LogLevel {
  const raw = env.LOG_LEVEL?.trim().toLowerCase() || "info";
  const level = LOG_LEVELS.find((level) => level === raw);
  if (level !== undefined) return level;
  throw new RangeError(`Cannot start as LOG_LEVEL must be one of ${LOG_LEVELS.join(", ")}: current value is "${raw}"`);
}
