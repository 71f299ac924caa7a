/** How fast a backend tries again. */
export interface RetryPace {
  readonly firstMs: number;
  readonly mostMs: number;
  readonly random?: () => number;
}

/** How long to wait before attempt `attempt` (from 1 on): exponential up to `mostMs`, half of it jitter. */
export function retryDelayMs(attempt: number, { firstMs, mostMs, random = Math.random }: RetryPace): number {
  const ceiling = Math.min(mostMs, firstMs * 2 ** (attempt - 1));
  return Math.round(ceiling * (0.5 + random() / 2));
}
