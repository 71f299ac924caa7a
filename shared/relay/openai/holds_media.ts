const MEDIA: ReadonlySet<string> = new Set(["audio", "image_url"]);

/** Whether there is audio or an image in an event, wherever it stands. */
export function holdsMedia(event: unknown): boolean {
  if (typeof event !== "object" || event === null) return false;
  return Object.entries(event).some(([name, value]) => typeof value === "string" ? MEDIA.has(name) : holdsMedia(value));
}
