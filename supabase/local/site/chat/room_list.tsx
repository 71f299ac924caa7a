import { type FormEvent, useEffect, useRef } from "react";
import { Avatar } from "../ui/avatar.tsx";
import { peerIn } from "./direct_room.ts";
import type { Names } from "./use_names.ts";
import type { RoomEntry } from "./room_entries.ts";

/** The user's rooms and direct messages, each with how much is unread, and the way into another room. */
export function RoomList(
  { rooms, current, userId, names, onOpen }: {
    rooms: readonly RoomEntry[];
    current: string;
    userId: string;
    names: Names;
    onOpen: (room: string) => void;
  },
) {
  const entries = rooms.map((room) => ({ ...room, peer: peerIn(room.id, userId) }));
  const groups = [
    { title: "Rooms", entries: entries.filter(({ peer }) => peer === undefined) },
    { title: "Direct messages", entries: entries.filter(({ peer }) => peer !== undefined) },
  ];
  return (
    <div className="rooms">
      <RoomForm current={peerIn(current, userId) === undefined ? current : ""} onOpen={onOpen} />
      <nav aria-label="Rooms">
        {groups.map(({ title, entries }) =>
          entries.length > 0 && (
            <div key={title} className="group">
              <h2>{title}</h2>
              <ul>
                {entries.map(({ id, peer, unread }) => (
                  <li key={id}>
                    <button type="button" aria-current={id === current || undefined} onClick={() => onOpen(id)}>
                      {peer === undefined
                        ? <span className="hash" aria-hidden="true">#</span>
                        : <Avatar id={peer} name={names.of(peer)} />}
                      <span className="name">{peer === undefined ? id : names.of(peer)}</span>
                      {unread > 0 && (
                        <span className="badge">
                          {unread > 99 ? "99+" : unread}
                          <span className="hidden">unread</span>
                        </span>
                      )}
                    </button>
                  </li>
                ))}
              </ul>
            </div>
          )
        )}
      </nav>
    </div>
  );
}

function RoomForm({ current, onOpen }: { current: string; onOpen: (room: string) => void }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    input.current!.value = current;
  }, [current]);

  function submit(event: FormEvent): void {
    event.preventDefault();
    onOpen(input.current!.value);
    document.getElementById("chat-text")?.focus();
  }

  return (
    <form id="room-form" className="field inline" onSubmit={submit}>
      <label className="hidden" htmlFor="room">Room</label>
      <input
        id="room"
        ref={input}
        required
        maxLength={128}
        pattern="[A-Za-z0-9._:\-]+"
        title="Letters, digits, dots, underscores, colons and hyphens"
        placeholder="Name of a room"
        autoComplete="off"
        spellCheck={false}
      />
      <button type="submit">Join</button>
    </form>
  );
}
