import { assertEquals, assertThrows } from "@std/assert";
import { tools } from "../../../functions/relay/tools.ts";
import { answerCall } from "../../../shared/relay/openai/answer_call.ts";
import { selectTools } from "../../../shared/relay/openai/select_tools.ts";
import { Log } from "../../../shared/telemetry/log.ts";

Deno.test("selectTools() takes the tools that are named, each once, and refuses one that is not there", () => {
  const names = (list: string) => selectTools(tools, list).declarations.map(({ name }) => name);
  assertEquals(names(" current_time, current_time,"), ["current_time"]);
  assertEquals(names(""), []);
  assertThrows(
    () => names("current_time,weather"),
    RangeError,
    'Cannot start as OPENAI_TOOLS names the tool "weather", which is not one of: current_time',
  );
});

Deno.test("the example of a tool tells the time, and the model hears of a time zone that is none", async () => {
  const tool = selectTools(tools, "current_time").get("current_time")!;
  const call = {
    userId: "ann",
    sessionId: undefined,
    callId: "c",
    signal: new AbortController().signal,
    log: new Log(),
  };
  const rome = await answerCall(tool, '{"time_zone":"Europe/Rome"}', call);
  assertEquals(/\d{4} at \d\d:\d\d:\d\d/.test(rome), true, rome);
  const nowhere = JSON.parse(await answerCall(tool, '{"time_zone":"Nowhere"}', call));
  assertEquals(nowhere, { error: { code: "tool_error", message: 'There is no time zone "Nowhere".' } });
});
