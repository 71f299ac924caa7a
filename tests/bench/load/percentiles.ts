/** Gives the function from a share to the value below which that share of the sample lies. */
export function percentiles(sample: readonly number[]): (share: number) => number {
  const sorted = Float64Array.from(sample).sort();
  return (share) => sorted[Math.floor(sorted.length * share)] ?? NaN;
}
