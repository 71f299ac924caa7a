import { assert, assertEquals, assertMatch } from "@std/assert";
import { CLOSE_CODES } from "../../shared/protocol/codes.ts";

/** The test that makes a server send each close code: its file, and how its name begins. */
const SHOWN_BY: Readonly<Record<number, readonly [file: string, test: string]>> = {
  1000: ["connection/ends_test.ts", "a target that ends closes its connections"],
  1008: ["connection/refusals_test.ts", "any response with a status of 400 or more"],
  1009: ["connection/limits_test.ts", "a frame of ${limit} bytes passes"],
  1011: ["connection/ends_test.ts", "a target that ends closes its connections"],
  1012: ["connection/lifetimes_test.ts", "an isolate that drains tells each connection"],
  1013: ["integration/slow_reader_test.ts", "a client that stops reading is dropped with 1013"],
  4400: ["connection/refusals_test.ts", "a refusal reaches the socket as error frame"],
  4401: ["connection/lifetimes_test.ts", "a token that ends is announced 60 s before"],
  4402: ["relay/openai/meter_test.ts", "metering: a session that uses up the budget"],
  4403: ["connection/http_test.ts", "an origin may connect, or read an answer"],
  4404: ["connection/refusals_test.ts", "a refusal reaches the socket as error frame"],
  4408: ["connection/lifetimes_test.ts", "a client that is silent for maxSilenceMs is closed 4408"],
  4409: ["relay/openai/outlive_test.ts", "of two connections with one session the newer goes on"],
  4429: ["connection/limits_test.ts", "frames over the rate are refused with an error a second"],
  4502: ["connection/refusals_test.ts", "a refusal reaches the socket as error frame"],
  4504: ["connection/refusals_test.ts", "a refusal reaches the socket as error frame"],
};

/** A client sees these where nobody has sent them. */
const NEVER_SENT = [1001, 1005, 1006];

Deno.test("each close code that a server sends is shown by a test", async () => {
  const codes = Object.keys(CLOSE_CODES).map(Number);
  assertEquals([...Object.keys(SHOWN_BY).map(Number), ...NEVER_SENT].sort(), codes.sort());
  for (const [code, [file, name]] of Object.entries(SHOWN_BY)) {
    const source = await Deno.readTextFile(new URL(`../${file}`, import.meta.url));
    const test = source.split("Deno.test(").find((text) => text.trimStart().slice(1).startsWith(name));
    assert(test !== undefined, `${file} has a test "${name}"`);
    // By the code itself, or by the table of statuses.
    assertMatch(test, new RegExp(`\\b${code}\\b|closeCodeFor|closeCode\\b`), `"${name}" in ${file} is about ${code}`);
  }
});
