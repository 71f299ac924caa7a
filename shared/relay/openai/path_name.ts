/** A path in JSON as people write it: `session.tools[0].name`. */
export function pathName(path: readonly PropertyKey[]): string {
  return path.map((key) => typeof key === "number" ? `[${key}]` : `.${String(key)}`).join("").replace(/^\./, "");
}
