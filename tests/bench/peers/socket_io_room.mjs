/**
 * A room on Node with Socket.IO, as its guide has it: `socket.to(room).emit`. Its argument is the folder in which the package
 * is installed; it ends with its input.
 */
import { createServer } from "node:http";
import { createRequire } from "node:module";
import process from "node:process";

const { Server } = createRequire(`${process.argv[2]}/`)("socket.io");
const server = createServer();
new Server(server, { transports: ["websocket"], pingInterval: 3_600_000 }).on("connection", (socket) => {
  const room = socket.handshake.query.room ?? "lobby";
  socket.join(room);
  socket.on("m", (text) => socket.to(room).emit("m", text));
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`listening on ${server.address().port}\n`));
process.stdin.resume().on("end", () => process.exit());
