/**
 * An upstream that answers each frame at once, with frames that were made before: on a path of OpenAI's a session, its
 * configuration and audio or text by what is asked for; on any other binary frames.
 */
const MARK = "A".repeat(20_000);
const place = { response_id: "resp_1", item_id: "item_1", output_index: 0, content_index: 0 };
const AUDIO = JSON.stringify({ type: "response.output_audio.delta", event_id: "event_1", ...place, delta: MARK });
const TEXT = JSON.stringify({
  type: "response.output_text.delta",
  event_id: "event_1",
  ...place,
  delta: MARK.slice(0, 800),
});
const BINARY = new Uint8Array(4_096);
const SESSION = { type: "realtime", model: "gpt-realtime", output_modalities: ["audio"] };
const CREATED = JSON.stringify({ type: "session.created", event_id: "event_0", session: SESSION });
const UPDATED = JSON.stringify({ type: "session.updated", event_id: "event_0", session: SESSION });

Deno.serve((request) => {
  const [protocol] = request.headers.get("sec-websocket-protocol")?.split(", ") ?? [];
  const { socket, response } = Deno.upgradeWebSocket(request, { ...protocol && { protocol } });
  const isOpenAi = new URL(request.url).pathname.endsWith("/realtime");
  socket.binaryType = "arraybuffer";
  socket.onopen = () => isOpenAi && socket.send(CREATED);
  socket.onmessage = ({ data }) => {
    if (typeof data !== "string") socket.send(BINARY);
    else if (data.startsWith('{"type":"session.update"')) socket.send(UPDATED);
    else socket.send(data.startsWith('{"type":"input_audio_buffer.append"') ? AUDIO : TEXT);
  };
  return response;
});
