import type { ClientMessage, JoinMessage } from "../connection/mod.ts";
import type { Pid, Self } from "../process/mod.ts";
import type { RoomView } from "../store/store.ts";
import type { Rooms } from "./rooms.ts";

/** A connection that relays its frames, text and binary, as they are, to the other raw connections of its room. */
export function rawSession(rooms: Rooms, view: RoomView) {
  let pid: Pid | undefined;
  return {
    "ws.join"({ client_pid }: JoinMessage) {
      pid = client_pid;
      rooms.joinRaw(view, client_pid);
    },
    "ws.message"({ client_pid, data }: ClientMessage) {
      rooms.relayRaw(view.room, client_pid, data);
    },
    "ws.leave"(_: unknown, self: Self) {
      if (pid !== undefined) rooms.leaveRaw(view.room, pid);
      self.exit();
    },
  };
}
