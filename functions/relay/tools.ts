/**
 * The tools that the model may call at OpenAI and this function answers; `OPENAI_TOOLS` says which of them are on. What stands
 * here is an example: put your own beside it, or in its place.
 */
import * as z from "zod/mini";
import { defineTool, type ServerTool, ToolError } from "../../shared/relay/openai/server_tool.ts";

const currentTime = defineTool({
  name: "current_time",
  description: "Tells the date and the time of day now, in a time zone.",
  parameters: z.object({
    time_zone: z.string().check(z.describe("A name of the IANA database, such as Europe/Rome.")),
  }),
  run({ time_zone: timeZone }) {
    try {
      return new Date().toLocaleString("en-GB", { timeZone, dateStyle: "full", timeStyle: "long" });
    } catch {
      throw new ToolError(`There is no time zone "${timeZone}".`);
    }
  },
});

export const tools: readonly ServerTool[] = [currentTime];
