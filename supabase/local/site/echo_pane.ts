import type { Account } from "./account.ts";
import { find } from "./find.ts";
import { functionAddress, type SocketAddress } from "./function_address.ts";
import type { LiveSocket } from "./live_socket.ts";
import { type Bubble, MessageList } from "./message_list.ts";
import { SocketView } from "./socket_view.ts";

const BINARY_BYTES = 65_536;

/** A frame that has not come back yet. */
interface Sent {
  readonly data: string | Uint8Array<ArrayBuffer>;
  readonly bubble: Bubble;
  readonly sentAt: number;
}

/** The pane of `echo`: sends text and bytes, and shows how long each took to come back as it was. */
export function openEchoPane(pane: HTMLElement, account: Account, userName: string): () => void {
  const view = new SocketView(pane);
  const messages = new MessageList(find(".messages", pane));
  const input = find<HTMLInputElement>("#echo-text", pane);
  const connectAs = find<HTMLSelectElement>("#echo-as", pane);
  const from = { id: "me", name: userName };
  let underWay: Sent[] = [];
  let socket = connect();

  function connect(): LiveSocket {
    underWay = [];
    return view.connect({ greeting: "connection", address, onReady: forgetLost, onFrame: received });
  }

  async function address(renewToken: boolean): Promise<SocketAddress> {
    if (connectAs.value === "nobody") return functionAddress("echo", {});
    const token = await account.token(renewToken);
    return functionAddress("echo", {}, connectAs.value === "broken" ? broken(token) : token);
  }

  function send(data: Sent["data"], text: string): void {
    const bubble: Bubble = { from, isOwn: true, text, at: new Date(), note: "on its way", state: "pending" };
    const sentAt = performance.now();
    if (!socket.send(typeof data === "string" ? data : data.buffer)) return;
    underWay.push({ data, bubble, sentAt });
    messages.add(bubble);
  }

  function received(data: string | ArrayBuffer): void {
    const now = performance.now();
    const index = underWay.findIndex((sent) => isSame(sent.data, data));
    if (index < 0) return; // The greeting, or another control frame.
    const [{ bubble, sentAt }] = underWay.splice(index, 1) as [Sent];
    bubble.note = `came back unchanged in ${(now - sentAt).toFixed(1)} ms`;
    bubble.state = undefined;
    messages.update(bubble);
  }

  /** What the socket before had not sent back does not come any more: a hand-over waits for none of it. */
  function forgetLost(): void {
    for (const { bubble } of underWay) {
      bubble.note = "lost with its connection";
      bubble.state = "failed";
      messages.update(bubble);
    }
    underWay = [];
  }

  find<HTMLFormElement>(".composer", pane).onsubmit = (event) => {
    event.preventDefault();
    send(input.value, input.value);
    input.value = "";
  };
  find<HTMLButtonElement>("#echo-bytes", pane).onclick = () => {
    send(crypto.getRandomValues(new Uint8Array(BINARY_BYTES)), `${BINARY_BYTES.toLocaleString("en")} random bytes`);
  };
  connectAs.onchange = () => socket = connect();

  return () => {
    view.close();
    messages.clear();
  };
}

/** The token with another signature. */
function broken(token: string): string {
  return `${token.slice(0, token.lastIndexOf("."))}.AAAA`;
}

function isSame(sent: Sent["data"], received: string | ArrayBuffer): boolean {
  if (typeof sent === "string" || typeof received === "string") return sent === received;
  const bytes = new Uint8Array(received);
  return bytes.length === sent.length && bytes.every((byte, i) => byte === sent[i]);
}
