import { assertEquals } from "@std/assert";
import { afterClose, type CloseContext } from "../../shared/client/after_close.ts";
import { CLOSE_CODES } from "../../shared/protocol/codes.ts";

const FRESH: CloseContext = { canRenewToken: true, refusedTokens: 0 };

const RETRY = "retry", NEW_TOKEN = "retry with a new token", STOP = "stop", DONE = "stop without an error";
const EXPECTED: Record<number, string> = {
  1000: DONE,
  1001: RETRY,
  1005: RETRY,
  1006: RETRY,
  1008: STOP,
  1009: STOP,
  1011: RETRY,
  1012: RETRY,
  1013: RETRY,
  4400: STOP,
  4401: NEW_TOKEN,
  4402: STOP,
  4403: STOP,
  4404: STOP,
  4408: RETRY,
  4409: STOP,
  4429: RETRY,
  4502: RETRY,
  4504: RETRY,
  // Not in the table: a proxy's, another server's.
  1015: RETRY,
  3000: RETRY,
  4999: RETRY,
};

Deno.test("afterClose() is decided here for every code of the table", () => {
  assertEquals(Object.keys(CLOSE_CODES).filter((code) => !(code in EXPECTED)), []);
});

for (const [code, expected] of Object.entries(EXPECTED)) {
  Deno.test(`afterClose() says "${expected}" after ${code}`, () => {
    assertEquals(nameOf(Number(code), FRESH), expected);
  });
}

Deno.test("afterClose() stops at a refused token that cannot be replaced, and at the second one in a row", () => {
  assertEquals(nameOf(4401, { canRenewToken: false, refusedTokens: 0 }), STOP);
  assertEquals(nameOf(4401, { canRenewToken: true, refusedTokens: 1 }), STOP);
  assertEquals(nameOf(1006, { canRenewToken: false, refusedTokens: 1 }), RETRY);
});

Deno.test("afterClose() gives the server's own words, where it said any", () => {
  const failure = { code: "room_not_found", message: "There is no such room" };
  const told = afterClose({ code: 4404, reason: "room_not_found: …", failure }, FRESH);
  assertEquals([told.error?.code, told.error?.message, told.error?.closeCode], [failure.code, failure.message, 4404]);
  const silent = [1008, 1006, 4401].map((code) => afterClose({ code, reason: "" }, FRESH).error?.code);
  assertEquals(silent, ["refused", "lost", "unauthorized"]);
});

function nameOf(code: number, context: CloseContext): string {
  const after = afterClose({ code, reason: "" }, context);
  if (after.step === "retry") return after.newToken ? NEW_TOKEN : RETRY;
  return after.error === undefined ? DONE : STOP;
}
