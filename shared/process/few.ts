/**
 * A set of objects of which there are many, each mostly empty or of one: the object itself where it is alone, and a `Set`
 * only where there are several, as one costs 150 bytes. The functions here give what it is after the change.
 */
export type Few<T extends object> = T | Set<T> | undefined;

/** With `item` in it. */
export function added<T extends object>(few: Few<T>, item: T): Few<T> {
  if (few === undefined || few === item) return item;
  return few instanceof Set ? few.add(item) : new Set([few, item]);
}

/** Without `item`. */
export function removed<T extends object>(few: Few<T>, item: T): Few<T> {
  if (few === item) return undefined;
  if (!(few instanceof Set)) return few;
  few.delete(item);
  return few.size > 1 ? few : few.values().next().value;
}

/** What is in it, in the order in which it came. */
export function allOf<T extends object>(few: Few<T>): Iterable<T> {
  if (few === undefined) return [];
  return few instanceof Set ? few : [few];
}
