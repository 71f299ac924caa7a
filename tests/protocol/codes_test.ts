import { assertEquals } from "@std/assert";
import { CLOSE_CODES, closeCodeFor, ERROR_CODES, retryAfter } from "../../shared/protocol/codes.ts";

for (
  const [status, code] of [
    [400, 4400],
    [401, 4401],
    [402, 4402],
    [403, 4403],
    [404, 4404],
    [405, 1008],
    [408, 4408],
    [413, 1009],
    [418, 1008],
    [422, 1008],
    [429, 4429],
    [500, 1011],
    [501, 1011],
    [502, 4502],
    [503, 1013],
    [504, 4504],
    [599, 1011],
  ] as const
) {
  Deno.test(`closeCodeFor(${status}) is ${code}`, () => assertEquals(closeCodeFor(status), code));
}

Deno.test("every error code closes with a code of the table", () => {
  for (const { status } of Object.values(ERROR_CODES)) assertEquals(closeCodeFor(status) in CLOSE_CODES, true);
});

Deno.test("retryAfter() tells who may come back", () => {
  assertEquals([1000, 1006, 1012, 1013, 4401, 4403, 4404].map(retryAfter), [
    "stop",
    "retry",
    "retry",
    "retry",
    "retry_with_new_token",
    "stop",
    "stop",
  ]);
  assertEquals(retryAfter(3999), "retry", "a code of somebody else's may pass");
});
