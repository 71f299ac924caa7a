import { assertEquals, assertThrows } from "@std/assert";
import { readLogLevel } from "../../shared/telemetry/read_log_level.ts";

Deno.test("readLogLevel() reads LOG_LEVEL, and names it where it is none", () => {
  for (const [raw, level] of [[undefined, "info"], ["", "info"], [" DEBUG ", "debug"], ["error", "error"]] as const) {
    assertEquals(readLogLevel({ LOG_LEVEL: raw }), level);
  }
  assertThrows(() => readLogLevel({ LOG_LEVEL: "verbose" }), RangeError, "LOG_LEVEL must be one of debug, info");
});
