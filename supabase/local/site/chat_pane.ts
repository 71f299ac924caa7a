import type { ChatClientFrame } from "../../../shared/protocol/chat_client_frames.ts";
import type {
  AckFrame,
  ChatConnectionFrame,
  ChatServerFrame,
  Message,
} from "../../../shared/protocol/chat_server_frames.ts";
import type { Account, User } from "./account.ts";
import { find } from "./find.ts";
import { functionAddress } from "./function_address.ts";
import type { LiveSocket } from "./live_socket.ts";
import { type Bubble, MessageList } from "./message_list.ts";
import { PeopleView } from "./people_view.ts";
import { sendOnEnter } from "./send_on_enter.ts";
import { SocketView } from "./socket_view.ts";

const FIRST_ROOM = "lobby";
const HISTORY_LENGTH = 50;
/** A `typing` frame is sent no more often than this. */
const TYPING_EVERY_MS = 2_000;

/** Where this client stands in the room's log; what comes after is asked for when it reconnects. */
interface Place {
  since: number;
  epoch?: string;
}

/** A message that was written here. */
interface Unsent {
  readonly frame: string;
  readonly bubble: Bubble;
  /** The message's id, once it is stored. */
  id?: string;
}

/** The pane of `chat`: one room, with everyone in it. The room stands in the page's address, to be shared. */
export function openChatPane(pane: HTMLElement, account: Account, user: User): () => void {
  const view = new SocketView(pane, { keepsUnsent: true });
  const messages = new MessageList(find(".messages", pane));
  const people = new PeopleView(find(".people", pane), find(".typing", pane), user.id);
  const roomInput = find<HTMLInputElement>("#room", pane);
  const input = find<HTMLTextAreaElement>("#chat-text", pane);

  /** By message id. */
  const bubbles = new Map<string, Bubble>();
  /** What was written here and has not come back as a message, by `client_id`. */
  const outbox = new Map<string, Unsent>();
  let room = new URL(location.href).searchParams.get("room") ?? FIRST_ROOM;
  let place: Place | undefined;
  let session: string | undefined;
  let typedAt = 0;
  let socket = join(room);

  function join(id: string): LiveSocket {
    room = id;
    place = undefined;
    session = undefined;
    roomInput.value = id;
    clear();
    outbox.clear();
    const url = new URL(location.href);
    url.searchParams.set("room", id);
    history.replaceState(null, "", url);
    return view.connect({
      greeting: "connection",
      async address(renewToken) {
        const token = await account.token(renewToken);
        return functionAddress("chat", { room, since: place?.since.toString(), epoch: place?.epoch, session }, token);
      },
      onReady: (greeting) => arrived(greeting as unknown as ChatConnectionFrame),
      onFrame: (_, frame) => received(frame as ChatServerFrame | undefined),
    });
  }

  function clear(): void {
    messages.clear();
    bubbles.clear();
    people.clear();
  }

  function arrived(greeting: ChatConnectionFrame): void {
    session = greeting.session;
    if (!greeting.resumed) {
      place = { since: greeting.seq ?? 0, epoch: greeting.epoch };
      messages.clear();
      bubbles.clear();
      for (const { bubble } of outbox.values()) messages.add(bubble);
      socket.send(encode({ type: "history", room, limit: HISTORY_LENGTH }));
    }
    // The server knows by the `client_id` what it has already.
    for (const { frame, id } of outbox.values()) if (id === undefined) socket.send(frame);
  }

  function received(frame: ChatServerFrame | undefined): void {
    switch (frame?.type) {
      case "new_message":
        people.stoppedTyping(frame.message.sender.id);
        return isNew(frame.message.seq) ? show(frame.message) : undefined;
      case "history":
        return frame.messages.forEach(show);
      case "ack":
        return stored(frame);
      case "message_edited":
        return isNew(frame.seq) ? change(frame.message_id, { text: frame.body, note: "edited" }) : undefined;
      case "message_deleted":
        return isNew(frame.seq) ? change(frame.message_id, { text: "Deleted", state: "deleted" }) : undefined;
      case "reaction":
      case "message_read":
      case "member":
        return void isNew(frame.seq);
      case "presence":
        return people.update(frame);
      case "typing":
        return frame.user_id === user.id ? undefined : people.typing(frame.user_id, frame.name);
      case "error":
        return refused(frame.ref, frame.code, frame.message);
    }
  }

  /** Whether an event of the log was not here before: for a moment two sockets bring the same ones. */
  function isNew(seq: number): boolean {
    if (place === undefined || seq <= place.since) return false;
    place.since = seq;
    return true;
  }

  function show(message: Message): void {
    const { id, seq, sender, client_id, body, created_at, edited_at, deleted_at } = message;
    const isOwn = sender.id === user.id;
    for (const [clientId, unsent] of outbox) {
      if (unsent.id === id || (isOwn && clientId === client_id)) takeOut(clientId);
    }
    if (bubbles.has(id)) return;
    const bubble: Bubble = {
      order: seq,
      from: { id: sender.id, name: sender.name ?? people.nameOf(sender.id) },
      isOwn,
      text: deleted_at ? "Deleted" : body,
      at: new Date(created_at),
      note: edited_at && !deleted_at ? "edited" : undefined,
      state: deleted_at ? "deleted" : undefined,
    };
    bubbles.set(id, bubble);
    messages.add(bubble);
  }

  function change(id: string, changes: Partial<Pick<Bubble, "text" | "note" | "state">>): void {
    const bubble = bubbles.get(id);
    if (bubble) messages.update(Object.assign(bubble, changes));
  }

  /** The bubble of an own message makes way for the message as the room has it. */
  function takeOut(clientId: string): void {
    const unsent = outbox.get(clientId);
    if (unsent) messages.remove(unsent.bubble);
    outbox.delete(clientId);
  }

  function stored({ client_id = "", id }: AckFrame): void {
    const unsent = outbox.get(client_id);
    if (bubbles.has(id)) takeOut(client_id);
    else if (unsent) unsent.id = id;
  }

  function refused(ref: string | undefined, code: string, message: string): void {
    const unsent = outbox.get(ref ?? "");
    if (!unsent) return view.warn(code, message);
    outbox.delete(ref ?? "");
    messages.update(Object.assign(unsent.bubble, { state: "failed", note: `${code}: ${message}` }));
  }

  function write(body: string): void {
    const client_id = crypto.randomUUID();
    const frame = encode({ type: "chat", body, client_id });
    const bubble: Bubble = {
      from: user,
      isOwn: true,
      text: body,
      at: new Date(),
      note: "on its way",
      state: "pending",
    };
    outbox.set(client_id, { frame, bubble });
    messages.add(bubble);
    socket.send(frame);
  }

  find<HTMLFormElement>("#room-form", pane).onsubmit = (event) => {
    event.preventDefault();
    if (roomInput.value !== room) socket = join(roomInput.value);
    input.focus();
  };
  find<HTMLFormElement>(".composer", pane).onsubmit = (event) => {
    event.preventDefault();
    const body = input.value.trim();
    if (body === "") return;
    write(body);
    input.value = "";
    view.calm();
    typedAt = 0;
  };
  input.oninput = () => {
    if (input.value === "" || Date.now() - typedAt < TYPING_EVERY_MS) return;
    typedAt = Date.now();
    socket.send(encode({ type: "typing" }));
  };
  sendOnEnter(input);

  return () => {
    view.close();
    clear();
  };
}

function encode(frame: ChatClientFrame): string {
  return JSON.stringify(frame);
}
