/** The middle of some numbers: half are above, half are below. */
export function median(numbers: readonly number[]): number {
  if (numbers.length === 0) throw new RangeError("Cannot give the median of no numbers");
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
