/**
 * The relay that everyone writes first: two sockets, and what one says goes to the other. No token, no check, no bound, no
 * code of a close; only the upstream's key is added, and what comes before the upstream is open is kept. `UPSTREAM` is
 * the upstream's URL, `PROTOCOLS` what it is dialled with.
 */
const upstreamUrl = Deno.env.get("UPSTREAM")!;
const protocols = Deno.env.get("PROTOCOLS")?.split(",") ?? [];

Deno.serve((request) => {
  if (request.headers.get("upgrade") !== "websocket") return new Response("Connect with a WebSocket", { status: 426 });
  const { socket, response } = Deno.upgradeWebSocket(request);
  const upstream = new WebSocket(upstreamUrl, protocols);
  upstream.binaryType = "arraybuffer";
  const early: (string | ArrayBuffer)[] = [];
  upstream.onopen = () => early.forEach((data) => upstream.send(data));
  upstream.onmessage = ({ data }) => socket.send(data);
  upstream.onclose = () => socket.close();
  socket.onmessage = ({ data }) => {
    if (upstream.readyState === WebSocket.OPEN) upstream.send(data);
    else early.push(data);
  };
  socket.onclose = () => upstream.close();
  return response;
});
