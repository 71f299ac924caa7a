/** One round trip: when it was sent, in ms of `performance.now()`, and how long it took; none yet, or lost for good. */
export interface RoundTrip {
  readonly number: number;
  readonly sentAt: number;
  readonly ms?: number;
  readonly isLost?: boolean;
  /** It was the first on a new connection. */
  readonly isFirst?: boolean;
}

/** The value below which a share of the given ones lies (nearest rank); undefined where there is none. */
export function percentile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
