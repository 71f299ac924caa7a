import { assertEquals } from "@std/assert";
import { leastCompileMs, readCompileTimes } from "./compile_times.ts";

const LOG = `v8-version,13,0,245,12,-rusty,0
script-details,314,file:///functions/echo/index.js,0,0,
script,create,314,54694
function,parse-script,314,0,1000,4.5,59989,
function,preparse-resolution,314,86,358,0.5,41770,checkOrigin
function,full-parse,314,86,358,0.25,41780,checkOrigin
function,parse-function,314,86,358,0.5,41790,checkOrigin
function,interpreter,314,86,358,0.25,41800,checkOrigin
function,first-execution,314,86,358,0,41810,checkOrigin
`;

Deno.test("readCompileTimes() counts each step of V8 once: what it does inside of another is in that one's time", () => {
  const times = readCompileTimes(LOG);
  assertEquals(leastCompileMs([times]), 5.25);
});

Deno.test("leastCompileMs() takes the least of each piece, by whatever number its script went", () => {
  const busy = LOG.replaceAll("314", "99").replace(",4.5,", ",9,").replace("358,0.5,41790", "358,0.125,41790");
  assertEquals(leastCompileMs([readCompileTimes(LOG), readCompileTimes(busy)]), 4.875);
});
