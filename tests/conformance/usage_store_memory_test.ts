import { memoryUsageStore } from "../../shared/relay/openai/memory_usage_store.ts";
import { USAGE_STORE_PROMISES } from "./usage_store_suite.ts";

for (const [promise, test] of Object.entries(USAGE_STORE_PROMISES)) {
  Deno.test(`usage store of memory: ${promise}`, () => test(memoryUsageStore()));
}
