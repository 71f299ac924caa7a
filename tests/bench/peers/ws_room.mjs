/**
 * The plain room on Node with `ws`: what one socket of `?room=` sends goes to every other one. Its argument is the folder in
 * which the package is installed; it ends with its input.
 */
import { createServer } from "node:http";
import { createRequire } from "node:module";
import process from "node:process";

const { WebSocketServer, WebSocket } = createRequire(`${process.argv[2]}/`)("ws");
const rooms = new Map();
const server = createServer();
new WebSocketServer({ server }).on("connection", (socket, request) => {
  const name = new URL(request.url, "ws://localhost").searchParams.get("room") ?? "lobby";
  const room = rooms.get(name) ?? new Set();
  rooms.set(name, room.add(socket));
  socket.on("message", (data, isBinary) => {
    for (const other of room) {
      if (other !== socket && other.readyState === WebSocket.OPEN) other.send(data, { binary: isBinary });
    }
  });
  socket.on("close", () => room.delete(socket));
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`listening on ${server.address().port}\n`));
process.stdin.resume().on("end", () => process.exit());
