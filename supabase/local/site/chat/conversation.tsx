import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";
import type { ChatError } from "../../../../shared/client/mod.ts";
import type { Room, ShownMessage } from "../../../../shared/react/mod.ts";
import type { User } from "../account/account.ts";
import type { Warning } from "../socket/connection_panel.tsx";
import { sendOnEnter } from "../ui/send_on_enter.ts";
import { usePinnedScroll } from "../ui/use_pinned_scroll.ts";
import { MessageItem } from "./message_item.tsx";
import type { Names } from "./use_names.ts";

/** Messages of one person that follow each other so closely stand under one name. */
const TOGETHER_MS = 3 * 60_000;

/** One room: its messages, who writes, and where to write. */
export function Conversation(
  { room, title, names, user, isShown, onError }: {
    room: Room;
    title: string;
    names: Names;
    user: User;
    isShown: boolean;
    onError: (warning: Warning | undefined) => void;
  },
) {
  const { messages, hasOlder, isLoading, typing, unreadCount = 0 } = room;
  const input = useRef<HTMLTextAreaElement>(null);
  const firstUnread = useFirstUnread(messages);
  const { ref, onScroll, isAtEnd, scrollToEnd } = usePinnedScroll<HTMLDivElement>({
    firstKey: messages[0]?.key,
    lastKey: messages.at(-1)?.key,
    hasOlder,
    onNearStart: () => attempt(room.loadOlder()),
  });
  useReading(room, isShown && isAtEnd);

  function attempt(action: Promise<unknown>): void {
    action.catch(({ code, message }: ChatError) => onError({ code, message }));
  }

  function submit(event: FormEvent): void {
    event.preventDefault();
    const body = input.current!.value.trim();
    if (body === "") return;
    // What is refused shows in the list, with the reason.
    void room.send(body);
    input.current!.value = "";
    onError(undefined);
    scrollToEnd();
  }

  return (
    <div className="conversation">
      <header>
        <h1 id="chat-title" tabIndex={-1}>{title}</h1>
      </header>
      <div ref={ref} onScroll={onScroll} className="messages" role="log" aria-label="Messages" tabIndex={0}>
        <div className="thread">
          {hasOlder && (
            <p className="notice">
              <button className="link" type="button" disabled={isLoading} onClick={() => attempt(room.loadOlder())}>
                {isLoading ? "Loading…" : "Older messages"}
              </button>
            </p>
          )}
          {messages.length === 0 && !isLoading && <p className="empty">Nobody has said anything yet.</p>}
          {messages.map((message, i) => (
            <Dated
              key={message.key}
              message={message}
              before={messages[i - 1]}
              isFirstUnread={message.key === firstUnread}
            >
              {(isTogether) => (
                <MessageItem
                  message={message}
                  isTogether={isTogether}
                  isLast={message === messages.at(-1)}
                  names={names}
                  user={user}
                  room={room}
                  attempt={attempt}
                />
              )}
            </Dated>
          ))}
        </div>
      </div>
      <div className="below">
        <p className="typing" role="status">{typingNotice(typing.map(({ user_id }) => names.of(user_id)))}</p>
        {!isAtEnd && (
          <button className="to-end" type="button" onClick={scrollToEnd}>
            {unreadCount > 0 ? `${unreadCount} new below` : "To the newest"}
          </button>
        )}
      </div>
      <form className="composer" onSubmit={submit}>
        <label className="hidden" htmlFor="chat-text">Message</label>
        <textarea
          id="chat-text"
          ref={input}
          rows={1}
          placeholder={`Write to ${title}`}
          maxLength={16_000}
          required
          onKeyDown={sendOnEnter}
          onInput={(event) => event.currentTarget.value !== "" && room.notifyTyping()}
        />
        <button className="primary" type="submit">Send</button>
      </form>
    </div>
  );
}

/** A message under its day and, where it is the first that was unread, under a line that says so. */
function Dated(
  { message, before, isFirstUnread, children }: {
    message: ShownMessage;
    before: ShownMessage | undefined;
    isFirstUnread: boolean;
    children: (isTogether: boolean) => ReactNode;
  },
) {
  const at = new Date(message.created_at);
  const day = at.toDateString();
  const isNewDay = before !== undefined && new Date(before.created_at).toDateString() !== day;
  const isTogether = before !== undefined && !isNewDay && !isFirstUnread && before.sender.id === message.sender.id &&
    at.getTime() - new Date(before.created_at).getTime() < TOGETHER_MS;
  return (
    <>
      {isNewDay && <p className="notice">{at.toLocaleDateString([], { dateStyle: "full" })}</p>}
      {isFirstUnread && <p className="notice unread">New</p>}
      {children(isTogether)}
    </>
  );
}

/** The first message that nobody had read for the user when the room was opened. */
function useFirstUnread(messages: readonly ShownMessage[]): string | undefined {
  const first = useRef<{ key: string | undefined }>(undefined);
  if (first.current === undefined && messages.length > 0) {
    const unread = messages.find(({ isOwn, is_read, state }) => state === "stored" && !isOwn && !is_read);
    // Where all is unread the line would stand above everything, and say nothing.
    first.current = { key: unread === messages[0] ? undefined : unread?.key };
  }
  return first.current?.key;
}

/** Marks what is in sight as read. */
function useReading({ messages, unreadCount, markAsRead }: Room, isInSight: boolean): void {
  const [isVisible, setVisible] = useState(() => document.visibilityState === "visible");
  useEffect(() => {
    const look = () => setVisible(document.visibilityState === "visible");
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  const newest = messages.findLast(({ state, isOwn }) => state === "stored" && !isOwn);
  const read = useRef<string>(undefined);
  useEffect(() => {
    if (!isInSight || !isVisible || newest === undefined || newest.is_read || read.current === newest.id) return;
    read.current = newest.id;
    // A moment later, so that what comes together is read together. Where it fails, the next message tries again.
    const timer = setTimeout(() => markAsRead(newest.id).catch(() => {}), 150);
    return () => {
      clearTimeout(timer);
      read.current = undefined;
    };
  }, [isInSight, isVisible, newest?.id, newest?.is_read, unreadCount === 0]);
}

function typingNotice(names: readonly string[]): string {
  if (names.length === 0) return "";
  return `${names.join(", ")} ${names.length === 1 ? "is" : "are"} typing…`;
}
