import type { Account } from "./account.ts";
import { find } from "./find.ts";
import { functionAddress } from "./function_address.ts";
import { type Bubble, MessageList } from "./message_list.ts";
import { sendOnEnter } from "./send_on_enter.ts";
import { SocketView } from "./socket_view.ts";

/** The events of OpenAI Realtime that a conversation in text needs. */
type RealtimeEvent =
  | { type: "session.created"; session: { model?: string } }
  | { type: "response.output_text.delta"; response_id: string; delta: string }
  | { type: "response.done"; response: { id: string; status?: string } }
  | { type: "error"; error: { code?: string | null; type?: string; message: string } };

/** The pane of `relay`: a conversation in text with OpenAI Realtime, or with what stands in for it. */
export function openRelayPane(pane: HTMLElement, account: Account, userName: string): () => void {
  const view = new SocketView(pane);
  const messages = new MessageList(find(".messages", pane));
  const input = find<HTMLTextAreaElement>("#relay-text", pane);
  const me = { id: "me", name: userName };
  const answers = new Map<string, Bubble>();
  let model = "The model";
  let sessions = 0;

  const socket = view.connect({
    greeting: "session.created",
    address: async (renewToken) => functionAddress("relay/openai", {}, await account.token(renewToken)),
    onReady() {
      if (++sessions > 1) messages.say("A new conversation: the one before ended with its isolate.");
    },
    onFrame: (_, event) => received(event as RealtimeEvent | undefined),
  });

  function received(event: RealtimeEvent | undefined): void {
    switch (event?.type) {
      case "session.created":
        model = event.session?.model ?? model;
        return;
      case "response.output_text.delta":
        return append(event.response_id, event.delta);
      case "response.done":
        return finish(event.response.id, event.response.status);
      case "error":
        // Those of the relay itself have no such member; they come with the close, which says it.
        if (event.error) view.warn(event.error.code ?? event.error.type ?? "error", event.error.message);
    }
  }

  function append(response: string, delta: string): void {
    const known = answers.get(response);
    if (known) {
      known.text += delta;
      return messages.update(known);
    }
    const bubble: Bubble = {
      from: { id: "model", name: model },
      isOwn: false,
      text: delta,
      at: new Date(),
      isUnfinished: true,
    };
    answers.set(response, bubble);
    messages.add(bubble);
  }

  function finish(response: string, status = "completed"): void {
    const bubble = answers.get(response);
    answers.delete(response);
    if (bubble) {
      messages.update(Object.assign(bubble, { isUnfinished: false, note: status === "completed" ? "" : status }));
    } else if (status !== "completed") view.warn(status, "The model gave no answer.");
  }

  find<HTMLFormElement>(".composer", pane).onsubmit = (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text === "") return;
    const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
    if (!socket.send(JSON.stringify({ type: "conversation.item.create", item }))) return;
    socket.send(JSON.stringify({ type: "response.create", response: { output_modalities: ["text"] } }));
    messages.add({ from: me, isOwn: true, text, at: new Date() });
    input.value = "";
    view.calm();
  };
  sendOnEnter(input);

  return () => {
    view.close();
    messages.clear();
  };
}
