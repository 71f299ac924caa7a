/** The room and the version of each entry of a note about presence, as `Rooms` puts it on a beat; none of what is no such note. */
export function decodeVersions(note: string): [room: string, version: number][] {
  let entries: unknown;
  try {
    entries = JSON.parse(note);
  } catch {
    return []; // Another version of this project may note other things.
  }
  return Array.isArray(entries) ? entries.filter(isVersion) : [];
}

function isVersion(entry: unknown): boolean {
  return Array.isArray(entry) && typeof entry[0] === "string" && Number.isSafeInteger(entry[1]);
}
