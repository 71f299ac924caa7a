/**
 * Whether `candidate` is one of the secret keys. How long it takes says nothing about how much of it is right: every
 * character is compared, whatever those before it were.
 */
export function isSecretKey(candidate: string, secretKeys: readonly string[]): boolean {
  let found = false;
  for (const key of secretKeys) found = isEqual(candidate, key) || found;
  return found;
}

function isEqual(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
