import type { SocketConstructor } from "../../../../shared/client/mod.ts";
import type { FrameLog } from "./frame_log.ts";

/**
 * A `WebSocket` class whose frames go into a log, and whose token goes by subprotocol: browsers write the URL of a socket
 * that fails into their console.
 */
export function tappedWebSocket(log: FrameLog): SocketConstructor {
  return class extends WebSocket {
    constructor(address: string) {
      const url = new URL(address);
      const token = url.searchParams.get("jwt");
      url.searchParams.delete("jwt");
      super(url, token ? [`jwt-${token}`] : []);
      this.addEventListener("message", ({ data }) => log.add("in", data));
    }

    override send(data: Parameters<WebSocket["send"]>[0]): void {
      super.send(data);
      log.add("out", data);
    }
  };
}
