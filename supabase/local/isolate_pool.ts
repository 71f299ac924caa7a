import { fetchDependencies } from "./fetch_dependencies.ts";
import { BootError, Isolate, type IsolateOptions } from "./isolate.ts";

/** Options of a pool: those of its isolates, how many of them take requests, and where to say what happens. */
export interface IsolatePoolOptions extends Omit<IsolateOptions, "onOutput"> {
  /** How many isolates take requests at any time. */
  isolates: number;
  /** Told each line: of the function's console, and of what became of an isolate. */
  log: (line: string) => void;
}

/** An isolate that crashes younger than this is replaced when it would have been this old, so that nothing spins. */
const MIN_LIFE_MS = 1_000;

/** The isolates of one function. New requests go to them in turn; one that retires or ends is replaced. */
export class IsolatePool {
  readonly #options: IsolatePoolOptions;
  readonly #isolates = new Set<Isolate>();
  readonly #replaceTimers = new Set<ReturnType<typeof setTimeout>>();
  /** Settles when the imports of the code as it is are in Deno's cache. */
  #fetched?: Promise<void>;
  #turn = 0;
  #isClosed = false;

  /** Starts nothing: see `warmUp` and `acquire`. */
  constructor(options: IsolatePoolOptions) {
    this.#options = options;
  }

  /** All isolates that are not gone. */
  get isolates(): readonly Isolate[] {
    return [...this.#isolates];
  }

  /** Starts what is missing; settles when one isolate takes requests, or none can and the log says why. */
  async warmUp(): Promise<void> {
    if (this.#isClosed) return;
    await this.#boot().catch((error: BootError) => this.#say(`cannot start: ${error.message}`));
  }

  /** The next isolate in turn; starts some if there is none. @throws {BootError} if the function cannot be loaded */
  async acquire(): Promise<Isolate> {
    const serving = this.#serving();
    if (serving.length === 0) {
      await this.#boot();
      return this.acquire();
    }
    return serving[this.#turn++ % serving.length]!;
  }

  /**
   * Replaces all isolates by ones that run the code as it is now. When that cannot be loaded the old ones stay.
   *
   * @throws {BootError} if the new code cannot be loaded
   */
  async reload(): Promise<void> {
    this.#fetched = this.#fetch();
    await this.#fetched;
    if (this.#isClosed) return;
    const old = this.isolates;
    const first = this.#start();
    try {
      await first.booted;
    } catch (error) {
      this.#isolates.delete(first);
      if (this.#isClosed) return;
      throw error;
    }
    for (const isolate of old) isolate.terminate();
    this.#fill();
  }

  /** Ends all isolates. May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#replaceTimers) clearTimeout(timer);
    await this.#fetched?.catch(() => {}); // Whoever asked for an isolate has the error.
    const { isolates } = this;
    for (const isolate of isolates) isolate.kill();
    await Promise.all(isolates.map((isolate) => isolate.ended));
  }

  #fetch(): Promise<void> {
    return fetchDependencies(this.#options.function, this.#options.deno);
  }

  #serving(): Isolate[] {
    return this.isolates.filter((isolate) => isolate.state === "serving");
  }

  /** Starts what is missing; settles when one isolate takes requests. @throws {BootError} if none can */
  async #boot(): Promise<void> {
    await (this.#fetched ??= this.#fetch());
    await Promise.any(this.#fill().map((isolate) => isolate.booted)).catch((error: AggregateError) => {
      throw error.errors[0];
    });
  }

  /** The isolates that take requests or soon will, with those started that are missing. */
  #fill(): Isolate[] {
    if (this.#isClosed) throw new BootError("The local Supabase is closing");
    const able = this.isolates.filter(({ state }) => state === "serving" || state === "booting");
    while (able.length < this.#options.isolates) able.push(this.#start());
    return able;
  }

  #start(): Isolate {
    const isolate = new Isolate({ ...this.#options, onOutput: this.#options.log });
    this.#isolates.add(isolate);
    this.#tend(isolate);
    return isolate;
  }

  /** Stays with an isolate to its end, and replaces it. */
  async #tend(isolate: Isolate): Promise<void> {
    const hasServed = await isolate.booted.then(() => true, () => false);
    await isolate.retired;
    if (isolate.state === "retired") this.warmUp();
    const reason = await isolate.ended;
    this.#isolates.delete(isolate);
    if (!hasServed || this.#isClosed) return;
    this.#say(`isolate ${isolate.id.slice(0, 8)} ended after ${(isolate.ageMs / 1000).toFixed(1)} s: ${reason}`);
    this.#replaceTimers.add(setTimeout(() => this.warmUp(), Math.max(0, MIN_LIFE_MS - isolate.ageMs)));
  }

  #say(line: string): void {
    if (!this.#isClosed) this.#options.log(line);
  }
}
