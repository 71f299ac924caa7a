import { assert } from "@std/assert";

/** Fails the test unless `condition` holds, and lets the compiler know that it does: the npm build of std is untyped. */
export function ensure(condition: unknown, message = ""): asserts condition {
  assert(condition, message);
}
