import { useEffect, useMemo, useRef, useState } from "react";
import { localStorageOutbox } from "../../../../shared/client/mod.ts";
import { useChat, useRoom } from "../../../../shared/react/mod.ts";
import type { ViewProps } from "../view_props.ts";
import { ConnectionPanel } from "../socket/connection_panel.tsx";
import { FrameLog } from "../socket/frame_log.ts";
import { Frames } from "../socket/frames.tsx";
import { tappedWebSocket } from "../socket/tapped_web_socket.ts";
import { useChatConnection } from "../socket/use_chat_connection.ts";
import { Conversation } from "./conversation.tsx";
import { peerIn } from "./direct_room.ts";
import { People } from "./people.tsx";
import { RoomList } from "./room_list.tsx";
import { useNames } from "./use_names.ts";
import { useRooms } from "./use_rooms.ts";

const FIRST_ROOM = "lobby";
const ADDRESS = "/functions/v1/chat";

/** The view of `chat`: all rooms of the user over one connection. The one that is seen stands in the page's address, to be shared. */
export function ChatView({ account, user, isShown }: ViewProps & { isShown: boolean }) {
  const [frames] = useState(() => new FrameLog());
  const [tries, setTries] = useState(0);
  const chat = useChat({
    url: ADDRESS,
    token: (reason) => account.token(reason === "expired"),
    // Another name for the same user, where he connects again after it ended for good.
    user: `${user.id} ${tries}`,
    storage: useMemo(() => localStorageOutbox(ADDRESS, user.id), [user.id]),
    WebSocket: useMemo(() => tappedWebSocket(frames), [frames]),
  });
  const { status, warning, warn } = useChatConnection(chat);
  const names = useNames(chat, user);
  const rooms = useRooms(chat, account.supabase, user.id, names);
  const [current, open] = useCurrentRoom();
  const room = useRoom(chat, current);
  const isFresh = useRef(true);

  useEffect(() => {
    // Where there is room, in the middle of it all; on a phone a keyboard would rise and hide the rest.
    if (isFresh.current && isShown && matchMedia("(min-width: 68rem)").matches) {
      document.getElementById("chat-text")!.focus();
    }
    isFresh.current = false;
  }, []);

  async function openDirect(userId: string): Promise<void> {
    const { data, error } = await account.supabase.rpc("open_direct", { user_id: userId });
    if (error) warn({ code: error.code, message: error.message });
    else open(data);
  }

  const peer = peerIn(current, user.id);
  const title = peer === undefined ? `# ${current}` : names.of(peer);
  return (
    <section id="chat" className="columns" aria-labelledby="chat-title" data-state={status.state} hidden={!isShown}>
      <RoomList rooms={rooms} current={current} userId={user.id} names={names} onOpen={open} />
      <Conversation
        key={current}
        room={room}
        title={title}
        names={names}
        user={user}
        isShown={isShown}
        onError={warn}
      />
      <aside aria-label="Connection and people">
        <ConnectionPanel
          status={status}
          warning={warning ?? (room.error && { code: room.error.code, message: room.error.message })}
          onRetry={() =>
            chat?.status.status === "closed" ? setTries(tries + 1) : chat?.wake()}
        />
        <People present={room.present} user={user} names={names} onOpenDirect={openDirect} />
        <Frames log={frames} />
      </aside>
    </section>
  );
}

function useCurrentRoom(): [room: string, open: (room: string) => void] {
  const [room, setRoom] = useState(() => new URL(location.href).searchParams.get("room") || FIRST_ROOM);
  const open = (room: string) => {
    setRoom(room);
    const url = new URL(location.href);
    url.searchParams.set("room", room);
    history.replaceState(null, "", url);
  };
  return [room, open];
}
