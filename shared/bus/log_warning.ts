/** Where the warnings of a bus go that was given no other place. */
export function logWarning(message: string): void {
  // deno-lint-ignore no-console
  console.warn(`bus: ${message}`);
}
