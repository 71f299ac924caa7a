/** Constructors of the language whose calls can be counted. */
type Countable = "Set" | "Map" | "Promise" | "Date" | "Uint8Array";

/** What was made since it was begun to count. */
export interface Made<Name extends Countable> {
  readonly counts: Record<Name, number>;
  stop(): void;
}

/**
 * Counts the objects that the code makes with `new` of these constructors, and none that the engine makes by itself (the promise
 * of an async function), until it is stopped.
 */
export function countMade<Name extends Countable>(...names: Name[]): Made<Name> {
  const counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
  const own = names.map((name) => [name, globalThis[name]] as const);
  for (const [name, constructor] of own) {
    Reflect.set(
      globalThis,
      name,
      new Proxy(constructor, {
        construct(target, args, newTarget) {
          counts[name]++;
          return Reflect.construct(target, args, newTarget);
        },
      }),
    );
  }
  return { counts, stop: () => own.forEach(([name, constructor]) => Reflect.set(globalThis, name, constructor)) };
}
