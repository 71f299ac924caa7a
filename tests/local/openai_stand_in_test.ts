import { assert, assertEquals } from "@std/assert";
import { startOpenAiStandIn } from "../../supabase/local/openai_stand_in.ts";
import { eventually } from "../support/eventually.ts";

Deno.test("the stand-in for OpenAI takes the subprotocols of a browser, and answers a text turn", async () => {
  const standIn = await startOpenAiStandIn();
  const socket = new WebSocket(`${standIn.url}?model=gpt-realtime`, ["realtime", "openai-insecure-api-key.sk-any"]);
  const events: { type: string; delta?: string }[] = [];
  socket.onmessage = ({ data }) => events.push(JSON.parse(data));
  const closed = new Promise((resolve) => socket.onclose = resolve);
  await eventually("the session", () => events.some(({ type }) => type === "session.created"));
  assertEquals(socket.protocol, "realtime");
  const item = { type: "message", role: "user", content: [{ type: "input_text", text: "Hello there" }] };
  socket.send(JSON.stringify({ type: "conversation.item.create", item }));
  socket.send(JSON.stringify({ type: "response.create" }));
  await eventually("the answer", () => events.some(({ type }) => type === "response.done"));
  const text = events.filter(({ type }) => type === "response.output_text.delta").map(({ delta }) => delta).join("");
  assert(text.startsWith("Hello!"), text);
  socket.close(1000);
  await closed;
  await standIn.close();
});
