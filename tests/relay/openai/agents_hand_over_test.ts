import { assertEquals } from "@std/assert";
// @ts-types="../openai_clients/agents_realtime.d.ts"
import { OpenAIRealtimeWebSocket } from "@openai/agents-realtime";
import { RelaySocket } from "../../../shared/client/relay_socket.ts";
import { memorySessionStore } from "../../../shared/relay/openai/memory_session_store.ts";
import { eventually } from "../../support/eventually.ts";
import { startTcpFront } from "../../support/tcp_front.ts";
import { startOpenAiRealtime } from "../openai_realtime_server/start_openai_realtime.ts";
import { ADA, startOpenAiRelay, tokenOf } from "./start_openai_relay.ts";

Deno.test("the transport of agents-realtime talks on through hand-overs, by RelaySocket, and never hears of one", async () => {
  await using openAi = await startOpenAiRealtime();
  const store = memorySessionStore();
  await using first = startOpenAiRelay(openAi, { store });
  await using second = startOpenAiRelay(openAi, { store });
  let host = first.host;
  using front = startTcpFront(() => host);
  const token = await tokenOf(ADA);
  const transport = new OpenAIRealtimeWebSocket({
    url: `ws://${front.host}/relay/openai?model=gpt-realtime`,
    apiKey: "unused",
    model: "gpt-realtime",
    useInsecureApiKey: true,
    createWebSocket: ({ url }) => Promise.resolve(new RelaySocket(url, ["realtime"], { token, reconnect: true })),
  });
  const errors: unknown[] = [];
  const types: string[] = [];
  transport.on("error", ({ error }) => errors.push(error));
  transport.on("*", (event) => types.push((event as { type: string }).type));
  const ask = async (text: string) => {
    const ended = types.filter((type) => type === "response.done").length;
    transport.sendMessage(text, {});
    await eventually(
      "the answer ends",
      () => types.filter((type) => type === "response.done").length > ended,
    );
  };

  await transport.connect({
    apiKey: "unused",
    initialSessionConfig: { instructions: "Be brief.", outputModalities: ["text"] },
  });
  await ask("one");
  host = second.host;
  first.isolate.drain("cpu");
  // Until it has moved; whenever that is, nothing gets lost.
  for (let turn = 2; openAi.sessions.length < 2; turn++) await ask(`turn ${turn}`);
  await ask("last");
  assertEquals(errors, []);
  const { transcript, refusals, config } = openAi.sessions[1]!;
  assertEquals(transcript, [
    ...transcript.slice(0, -2),
    "user: last",
    `assistant: Answer ${transcript.length / 2}: I heard "last".`,
  ]);
  assertEquals(refusals, []);
  assertEquals(config.instructions, "Be brief.");
  assertEquals(types.filter((type) => type === "session.created").length, 2);
  transport.close();
  await second.idle();
});
