import type { Attack } from "./attack.ts";
import { ATTACKS_BY_BYTES } from "./attacks_by_bytes.ts";
import { ATTACKS_BY_FRAMES } from "./attacks_by_frames.ts";
import { ATTACKS_BY_LOAD } from "./attacks_by_load.ts";

/** Every attack, in the order in which they are made. */
export const ATTACKS: readonly Attack[] = [...ATTACKS_BY_BYTES, ...ATTACKS_BY_FRAMES, ...ATTACKS_BY_LOAD];
