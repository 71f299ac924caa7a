import { type FormEvent, type KeyboardEvent, memo, useEffect, useId, useRef, useState } from "react";
import type { Room, RoomActions, ShownMessage } from "../../../../shared/react/mod.ts";
import type { User } from "../account/account.ts";
import { sendOnEnter } from "../ui/send_on_enter.ts";
import { timeOfDay } from "../ui/time.ts";
import type { Names } from "./use_names.ts";

const EMOJI = ["👍", "❤️", "😂", "🎉", "👀"];

interface MessageItemProps {
  readonly message: ShownMessage;
  /** It stands under the name of the message before. */
  readonly isTogether: boolean;
  readonly isLast: boolean;
  readonly names: Names;
  readonly user: User;
  readonly room: Room;
  readonly attempt: (action: Promise<unknown>) => void;
}

/** A message, what was made of it, and what can be done with it. Not rendered again where nothing of it has changed. */
export const MessageItem = memo(
  ShowMessage,
  (before, after) =>
    before.message === after.message && before.isTogether === after.isTogether && before.isLast === after.isLast &&
    before.names.of === after.names.of && before.room.send === after.room.send,
);

function ShowMessage({ message, isTogether, isLast, names, user, room, attempt }: MessageItemProps) {
  const { state, isOwn, sender, body, created_at, deleted_at } = message;
  const [isEditing, setEditing] = useState(false);
  const name = isOwn ? user.name : sender.name ?? names.of(sender.id);
  const at = new Date(created_at);
  const mark = deleted_at ? "deleted" : { sending: "pending", failed: "failed", stored: "" }[state];
  return (
    <article className={["message", isOwn ? "own" : "", isTogether ? "together" : "", mark].filter(Boolean).join(" ")}>
      <p className={isTogether ? "by hidden" : "by"}>
        <strong>{name}</strong> <time dateTime={created_at}>{timeOfDay(at)}</time>
      </p>
      {isEditing
        ? (
          <Editor
            body={body}
            onEnd={() => setEditing(false)}
            onSave={(text) =>
              attempt(room.edit(message.id, text))}
          />
        )
        : (
          <div className="line">
            <p className="bubble">{deleted_at ? "Deleted" : body}</p>
            {state === "stored" && !deleted_at && (
              <Actions
                label={`Actions for the message of ${name} at ${timeOfDay(at)}`}
                isOwn={isOwn}
                onReact={(emoji) => attempt(room.react(message.id, emoji))}
                onEdit={() => setEditing(true)}
                onDelete={() => attempt(room.remove(message.id))}
              />
            )}
          </div>
        )}
      <Reactions
        message={message}
        names={names}
        user={user}
        onReact={(emoji) => attempt(room.react(message.id, emoji))}
      />
      <Note message={message} isLast={isLast} names={names} room={room} />
    </article>
  );
}

function Actions(
  { label, isOwn, onReact, onEdit, onDelete }: {
    label: string;
    isOwn: boolean;
    onReact: (emoji: string) => void;
    onEdit: () => void;
    onDelete: () => void;
  },
) {
  const [isOpen, setOpen] = useState(false);
  const toggle = useRef<HTMLButtonElement>(null);
  const id = useId();

  function act(action: () => void): void {
    setOpen(false);
    toggle.current?.focus();
    action();
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === "Escape" && isOpen) act(() => {});
  }

  return (
    <span className={isOpen ? "actions open" : "actions"} onKeyDown={onKeyDown}>
      <button
        ref={toggle}
        className="plain more"
        type="button"
        aria-label={label}
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        <span aria-hidden="true">⋯</span>
      </button>
      {isOpen && (
        <span id={id} className="menu" role="group" aria-label={label}>
          {EMOJI.map((emoji) => (
            <button
              key={emoji}
              className="plain emoji"
              type="button"
              aria-label={`React with ${emoji}`}
              onClick={() => act(() => onReact(emoji))}
            >
              {emoji}
            </button>
          ))}
          {isOwn && <button className="plain" type="button" onClick={() => act(onEdit)}>Edit</button>}
          {isOwn && <button className="plain" type="button" onClick={() => act(onDelete)}>Delete</button>}
        </span>
      )}
    </span>
  );
}

function Editor({ body, onSave, onEnd }: { body: string; onSave: (body: string) => void; onEnd: () => void }) {
  const input = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    input.current!.focus();
    input.current!.setSelectionRange(body.length, body.length);
  }, []);

  function submit(event: FormEvent): void {
    event.preventDefault();
    const text = input.current!.value.trim();
    if (text !== "" && text !== body) onSave(text);
    onEnd();
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>): void {
    if (event.key === "Escape") onEnd();
    else sendOnEnter(event);
  }

  return (
    <form className="composer editor" onSubmit={submit}>
      <textarea
        ref={input}
        aria-label="Edit the message"
        rows={1}
        maxLength={16_000}
        defaultValue={body}
        onKeyDown={onKeyDown}
      />
      <button type="submit">Save</button>
      <button className="plain" type="button" onClick={onEnd}>Cancel</button>
    </form>
  );
}

function Reactions(
  { message: { reactions = {} }, names, user, onReact }: {
    message: ShownMessage;
    names: Names;
    user: User;
    onReact: (emoji: string) => void;
  },
) {
  const entries = Object.entries(reactions);
  if (entries.length === 0) return null;
  return (
    <ul className="reactions" aria-label="Reactions">
      {entries.map(([emoji, users]) => (
        <li key={emoji}>
          <button
            type="button"
            aria-pressed={users.includes(user.id)}
            title={users.map(names.of).join(", ")}
            onClick={() => onReact(emoji)}
          >
            <span className="emoji">{emoji}</span> {users.length}
          </button>
        </li>
      ))}
    </ul>
  );
}

/** What is to be said about a message: that it is on its way, was refused, was edited, and who has read it. */
function Note(
  { message, isLast, names, room: { retry, discard } }: {
    message: ShownMessage;
    isLast: boolean;
    names: Names;
    room: RoomActions;
  },
) {
  const { state, error, key, edited_at, deleted_at, isOwn, is_read, readers } = message;
  if (state === "sending") return <p className="note">on its way</p>;
  if (state === "failed") {
    return (
      <p className="note">
        {error?.code}: {error?.message}{" "}
        <button className="link" type="button" onClick={() => retry(key).catch(() => {})}>Retry</button>{" "}
        <button className="link" type="button" onClick={() => discard(key)}>Discard</button>
      </p>
    );
  }
  const read = isOwn && readers.length > 0
    ? `read by ${readers.map(names.of).join(", ")}`
    : isOwn && isLast && is_read
    ? "read"
    : undefined;
  const notes = [edited_at && !deleted_at && "edited", read].filter(Boolean);
  return notes.length === 0 ? null : <p className="note">{notes.join(" · ")}</p>;
}
