import { useEffect, useRef, useState } from "react";
import { FrameLog } from "./frame_log.ts";
import { LiveSocket, type LiveSocketOptions, type SocketStatus } from "./live_socket.ts";

/** A live socket of a component: see `LiveSocket`. */
export interface UsedSocket {
  readonly status: SocketStatus;
  readonly frames: FrameLog;
  /** Sends a frame, or gives false where no socket is ready. */
  readonly send: (data: string | ArrayBuffer) => boolean;
  readonly retryNow: () => void;
}

/** Keeps a live socket while the component is there, and makes another one where `name` changes. The newest options are used. */
export function useLiveSocket(
  name: string,
  options: Omit<LiveSocketOptions, "onStatus" | "onTraffic">,
): UsedSocket {
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  const [frames] = useState(() => new FrameLog());
  const [status, setStatus] = useState<SocketStatus>({ state: "connecting" });
  const socket = useRef<LiveSocket>(undefined);

  useEffect(() => {
    const { greeting } = latest.current;
    const made = new LiveSocket({
      greeting,
      address: (renewToken) => latest.current.address(renewToken),
      onReady: (greeting) => latest.current.onReady?.(greeting),
      onFrame: (data, json) => latest.current.onFrame(data, json),
      onStatus: setStatus,
      onTraffic: frames.add,
    });
    socket.current = made;
    return () => made.close();
  }, [name]);

  return {
    status,
    frames,
    send: (data) => socket.current?.send(data) ?? false,
    retryNow: () => socket.current?.retryNow(),
  };
}
