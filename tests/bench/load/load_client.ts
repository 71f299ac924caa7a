/** The load client: a process that runs the commands of `protocol.ts`, one at a time, and ends with its input. */
import { linesOf } from "../../support/lines_of.ts";
import { FrameSocket } from "./frame_socket.ts";
import type { ConnectCommand, LoadClientAnswer, LoadClientCommand } from "./protocol.ts";
import { RoomLoad } from "./room_load.ts";
import { RoundTrips } from "./round_trips.ts";

const rooms = new Map<string, RoomLoad>();
const trips = new Map<string, RoundTrips>();
for await (const line of linesOf(Deno.stdin.readable)) answer(await run(JSON.parse(line)));
Deno.exit();

async function run(command: LoadClientCommand): Promise<LoadClientAnswer> {
  try {
    return { ok: true, result: await execute(command) };
  } catch (error) {
    return { ok: false, error: String(error) };
  }
}

async function execute(command: LoadClientCommand): Promise<unknown> {
  switch (command.do) {
    case "join":
      rooms.set(command.room, await RoomLoad.join(command));
      return {};
    case "load":
      return await rooms.get(command.room)!.run(command);
    case "leave":
      rooms.get(command.room)?.close();
      rooms.delete(command.room);
      return {};
    case "connect":
      await connect(command);
      return {};
    case "openTrips":
      trips.set(command.name, await RoundTrips.open(command));
      return {};
    case "trips":
      return await trips.get(command.name)!.run(command);
  }
}

async function connect({ urls, parallel, firstFrame }: ConnectCommand): Promise<void> {
  const waiting = urls.values();
  await Promise.all(Array.from({ length: parallel }, async () => {
    for (const url of waiting) await connectOnce(url, firstFrame);
  }));
}

async function connectOnce(url: string, firstFrame: boolean): Promise<void> {
  const socket = await FrameSocket.open(url);
  const heard = Promise.withResolvers<void>();
  const ended = socket.readFrames(() => heard.resolve());
  if (firstFrame) await Promise.race([heard.promise, ended]);
  socket.close();
  await ended;
}

function answer(result: LoadClientAnswer): void {
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(result) + "\n"));
}
