import type { Attack } from "./attack.ts";
import { ATTACKS_BY_BYTES } from "./attacks_by_bytes.ts";

/** Every attack, in the order in which they are made. */
export const ATTACKS: readonly Attack[] = [...ATTACKS_BY_BYTES];
