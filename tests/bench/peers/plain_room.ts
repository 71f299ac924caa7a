/**
 * The room that everyone writes first, in the manner of the Supabase guide's examples: whatever one socket of `?room=`
 * sends goes to every other one as it is. No token, no check, no limit, no order but that of the event loop.
 */
const rooms = new Map<string, Set<WebSocket>>();

Deno.serve((request) => {
  if (request.headers.get("upgrade") !== "websocket") return new Response("Connect with a WebSocket", { status: 426 });
  const name = new URL(request.url).searchParams.get("room") ?? "lobby";
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onopen = () => {
    const room = rooms.get(name) ?? new Set();
    rooms.set(name, room.add(socket));
  };
  socket.onmessage = (event) => {
    for (const other of rooms.get(name) ?? []) {
      if (other !== socket && other.readyState === WebSocket.OPEN) other.send(event.data);
    }
  };
  socket.onclose = () => {
    const room = rooms.get(name);
    if (room?.delete(socket) && room.size === 0) rooms.delete(name);
  };
  return response;
});
