/** What may be measured, in the terms of OpenMetrics; `writeOpenMetrics` makes text of it. */

/** Names and values by which the samples of a family differ. */
export type Labels = Readonly<Record<string, string>>;

/** One figure of a family. */
export interface Sample<Value> {
  /** By which it is told from the others. */
  readonly labels: Labels;
  /** What was counted. */
  readonly value: Value;
}

/** What a metric is called, and what it means. */
export interface Described {
  /** Ends in its unit where it has one: `_seconds` or `_bytes`. A counter's name has no `_total`. */
  readonly name: string;
  /** One sentence. */
  readonly help: string;
}

/** A metric with all its samples, as they are at the moment. */
export type MetricFamily =
  | Described & { readonly type: "counter" | "gauge"; readonly samples: readonly Sample<number>[] }
  | Described & { readonly type: "histogram"; readonly samples: readonly Sample<Histogram>[] };

/** One figure without labels, or some with. */
export type Values<Value> = Value | Iterable<readonly [Labels, Value]>;

/** Something that only grows while the isolate lives. */
export function counter(name: string, help: string, values: Values<number>): MetricFamily {
  return { type: "counter", name, help, samples: samplesOf(values) };
}

/** Something that is at the moment. */
export function gauge(name: string, help: string, values: Values<number>): MetricFamily {
  return { type: "gauge", name, help, samples: samplesOf(values) };
}

/** How something is spread, since the isolate's boot. */
export function histogram(name: string, help: string, values: Values<Histogram>): MetricFamily {
  return { type: "histogram", name, help, samples: samplesOf(values) };
}

function samplesOf<Value extends number | Histogram>(values: Values<Value>): Sample<Value>[] {
  if (typeof values === "number" || values instanceof Histogram) return [{ labels: {}, value: values as Value }];
  return [...values as Iterable<readonly [Labels, Value]>].map(([labels, value]) => ({ labels, value }));
}

/** The upper bounds, in seconds, that tell a near database from a far one, and a slow one from one that is down. */
export const LATENCY_SECONDS: readonly number[] = [0.005, 0.02, 0.05, 0.1, 0.25, 1, 5];

/** Counts values by size: one array of numbers, made once, so that a value costs a few comparisons and no allocation. */
export class Histogram {
  /** The upper bound of each bucket but the last, which has none; they grow. */
  readonly bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** Throws a `RangeError` where `bounds` do not grow. */
  constructor(bounds: readonly number[] = LATENCY_SECONDS) {
    if (bounds.some((bound, i) => !Number.isFinite(bound) || (i > 0 && bound <= bounds[i - 1]!))) {
      throw new RangeError(`Cannot make a histogram as its bounds must grow: current value is ${bounds.join(", ")}`);
    }
    this.bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  /** How many values fell into each bucket, the one without a bound last. */
  get counts(): readonly number[] {
    return this.#counts;
  }

  /** All values together. */
  get sum(): number {
    return this.#sum;
  }

  /** Counts a value. */
  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += value;
  }
}
