/** The middle of some numbers: half are above, half are below. */
export function median(numbers: readonly number[]): number {
  if (numbers.length === 0) throw new RangeError("Cannot give the median of no numbers");
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** `1 … n`, each round begun by another one, so that no system always follows the same other. */
export function rotated<T>(items: readonly T[], round: number): T[] {
  const from = round % items.length;
  return [...items.slice(from), ...items.slice(0, from)];
}
