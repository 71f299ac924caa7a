import { redactSecrets } from "./redact_secrets.ts";

/** How much a line matters; each level holds those after it. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
/** One of `LOG_LEVELS`. */
export type LogLevel = typeof LOG_LEVELS[number];

/** What a line says beside its event: names in snake_case; an `Error` shows its name, message and stack. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What a log is made of. */
export interface LogOptions {
  /** Lines below it are not written; default `info`. */
  readonly level?: LogLevel;
  /** Where a line goes; default the method of `console` for its level. */
  readonly write?: (level: LogLevel, line: string) => void;
  /** The clock, in ms since the epoch; default `Date.now`. */
  readonly now?: () => number;
}

/**
 * The platform takes 100 lines in 10 s, with those of the runtime: at most 40 + 10 * 4 are ours. Whether it counts them
 * by isolate or by function it does not say; an isolate cannot know what the others write.
 */
const BURST = 40;
const LINES_PER_SECOND = 4;
/** What lines below `error` leave for those above, so that a crowd of refusals cannot hide a failure. */
const KEPT_FOR_ERRORS = 10;

/** The platform cuts a line at 10,000 characters, which would break the JSON. */
const MAX_TEXT_LENGTH = 2_000;
const MAX_LINE_LENGTH = 9_000;

/** Fields of this name are never shown. */
const SECRET_NAME = /^(authorization|cookie|jwt|password|.*(token|secret|secret_?key|api_?key))$/i;

/**
 * A log of JSON lines: `{"time", "level", "event", …}`. It writes at most 80 lines in any 10 s; the next line that is
 * written says in `dropped` how many were not. What looks like a credential is blanked (`redactSecrets`), texts are cut
 * at 2,000 characters. No method throws, whatever it is given.
 */
export class Log {
  /** Lines below it are not written. */
  level: LogLevel;
  readonly #write: (level: LogLevel, line: string) => void;
  readonly #now: () => number;
  readonly #written: Record<LogLevel, number> = { debug: 0, info: 0, warn: 0, error: 0 };
  #bound: LogFields = {};
  #tokens = BURST;
  #filledAt: number;
  #dropped = 0;
  #untold = 0;

  /** Begins with nothing bound. */
  constructor({ level = "info", write = writeToConsole, now = Date.now }: LogOptions = {}) {
    this.level = level;
    this.#write = write;
    this.#now = now;
    this.#filledAt = now();
  }

  /** Puts fields on every line from now on. */
  bind(fields: LogFields): void {
    this.#bound = { ...this.#bound, ...fields };
  }

  /** How many lines of each level were written. */
  get written(): Readonly<Record<LogLevel, number>> {
    return this.#written;
  }

  /** How many lines were not written as there were too many. */
  get dropped(): number {
    return this.#dropped;
  }

  /** What helps to follow one connection; not written unless asked for. */
  debug(event: string, fields?: LogFields): void {
    this.#add("debug", event, fields);
  }

  /** What an operator may want to know. */
  info(event: string, fields?: LogFields): void {
    this.#add("info", event, fields);
  }

  /** What passes by itself, and should not come often. */
  warn(event: string, fields?: LogFields): void {
    this.#add("warn", event, fields);
  }

  /** What somebody has to look at. */
  error(event: string, fields?: LogFields): void {
    this.#add("error", event, fields);
  }

  #add(level: LogLevel, event: string, fields: LogFields = {}): void {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(this.level)) return;
    if (!this.#mayWrite(level)) {
      this.#dropped++;
      this.#untold++;
      return;
    }
    const head = { time: new Date(this.#now()).toISOString(), level, event };
    const line = toLine(head, this.#bound, fields, this.#untold === 0 ? {} : { dropped: this.#untold });
    this.#untold = 0;
    this.#written[level]++;
    this.#write(level, line);
  }

  #mayWrite(level: LogLevel): boolean {
    const now = this.#now();
    this.#tokens = Math.min(BURST, this.#tokens + Math.max(0, now - this.#filledAt) / 1_000 * LINES_PER_SECOND);
    this.#filledAt = now;
    if (this.#tokens < (level === "error" ? 1 : 1 + KEPT_FOR_ERRORS)) return false;
    this.#tokens--;
    return true;
  }
}

/** The log of this isolate. */
export const log = new Log();

function toLine(head: LogFields, ...fields: readonly LogFields[]): string {
  let line: string;
  try {
    line = stringify(Object.assign({}, head, ...fields, head));
  } catch (error) {
    // A circle, or a getter that throws.
    line = stringify({ ...head, message: `The line could not be written: ${error}` });
  }
  return line.length <= MAX_LINE_LENGTH ? line : stringify({ ...head, message: "The line was too long" });
}

function stringify(fields: LogFields): string {
  return JSON.stringify(fields, (name, value) => SECRET_NAME.test(name) ? "…" : shown(value));
}

/** A value as JSON can show it. */
function shown(value: unknown): unknown {
  switch (typeof value) {
    case "string":
      return shownText(value);
    case "bigint":
      return String(value);
    case "object":
      return value instanceof Error ? shownError(value) : value;
    default:
      return value;
  }
}

function shownText(text: string): string {
  // A credential at the cut is still known by its beginning; what is far behind it need not be searched.
  const shown = redactSecrets(text.slice(0, 2 * MAX_TEXT_LENGTH));
  return shown.length > MAX_TEXT_LENGTH ? `${shown.slice(0, MAX_TEXT_LENGTH)}…` : shown;
}

function shownError({ name, message, stack, cause }: Error): LogFields {
  return { name, message, stack, ...(cause !== undefined && { cause }) };
}

function writeToConsole(level: LogLevel, line: string): void {
  // deno-lint-ignore no-console -- the one place where lines leave
  console[level](line);
}
