import type { CSSProperties } from "react";

/** The first letter of a name on the colour of its user. For the eye alone: the name stands beside it. */
export function Avatar({ id, name }: { id: string; name: string }) {
  return (
    <span className="avatar" aria-hidden="true" style={{ "--hue": hueOf(id) } as CSSProperties}>
      {[...name][0]?.toUpperCase() ?? "?"}
    </span>
  );
}

/** An angle of the colour wheel, the same for the same user everywhere. */
export function hueOf(userId: string): number {
  let hash = 0;
  for (const character of userId) hash = (hash * 31 + character.charCodeAt(0)) % 360;
  return hash;
}
