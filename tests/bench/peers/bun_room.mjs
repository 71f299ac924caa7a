/**
 * The plain room on Bun, by its own topics: what one socket of `?room=` sends is published to every other one, natively.
 * It ends with its input.
 */
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    const room = new URL(request.url).searchParams.get("room") ?? "lobby";
    return server.upgrade(request, { data: { room } }) ? undefined : new Response("Connect with a WebSocket");
  },
  websocket: {
    open: (socket) => socket.subscribe(socket.data.room),
    message: (socket, message) => void socket.publish(socket.data.room, message),
  },
});
process.stdout.write(`listening on ${server.port}\n`);
process.stdin.resume().on("end", () => process.exit());
