/** The script of a page on which OpenAI's own clients talk. */
import type { Place } from "../relay/openai_clients/client_driver.ts";
import { driveAgents } from "../relay/openai_clients/drive_agents.ts";
import { driveOpenAi } from "../relay/openai_clients/drive_openai.ts";
import { converse, type Conversed, type ConverseOptions } from "../relay/openai_clients/converse.ts";
import { type Talk, talk } from "../relay/openai_clients/talk.ts";

declare global {
  // A `var`, since only that is a property of the global object.
  var talkBy: (client: "openai" | "agents", place: Place) => Promise<Talk>;
  var converse: (place: Place, turns: number, options?: ConverseOptions) => Promise<Conversed>;
}

globalThis.talkBy = (client, place) => talk(client === "openai" ? driveOpenAi(place) : driveAgents(place));
globalThis.converse = converse;
