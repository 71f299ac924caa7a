/** Talks by one of OpenAI's clients in a process of its own, and prints the `Talk` as JSON: `talk_process.ts openai|agents URL KEY`. */
import { driveAgents } from "./drive_agents.ts";
import { driveOpenAi } from "./drive_openai.ts";
import { talk } from "./talk.ts";

const [client, url = "", key = ""] = Deno.args;
const driver = client === "agents" ? driveAgents({ url, key }) : driveOpenAi({ url, key });
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(await talk(driver))));
Deno.exit();
