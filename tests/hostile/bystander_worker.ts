/**
 * Talks beside an attack, on a thread of its own so that the attacker's work does not delay it: sends a numbered message
 * every few milliseconds and checks that the other end gets each one, once, in order.
 */

/** What this thread is told. */
export type BystanderOrder = { readonly do: "report" } | {
  readonly do: "begin";
  readonly senderUrl: string;
  /** Left out: the sender hears itself. */
  readonly receiverUrl?: string;
  readonly dialect: "plain" | "chat";
};

/** What came of the talk since the last report; `begin` is answered with one of nothing. */
export interface BystanderReport {
  /** From before each send to its delivery, in milliseconds. */
  readonly latenciesMs: readonly number[];
  /** What was lost, doubled or overtaken, or how a connection ended. */
  readonly fault?: string;
}

/** The thread, as its page sees it: the types of Deno are those of the main one. */
const thread = self as unknown as {
  onmessage: (event: MessageEvent<BystanderOrder>) => void;
  postMessage(report: BystanderReport): void;
};

const EVERY_MS = 20;
/** How long the last message may take to come. */
const LAST_DEADLINE_MS = 20_000;

const sentAt: number[] = [];
const latenciesMs: number[] = [];
let received = 0;
let fault: string | undefined;
/** The user who was greeted last: the one who sends. */
let senderId: unknown;

thread.onmessage = async ({ data }) => {
  if (data.do === "begin") await begin(data);
  thread.postMessage(await takeReport());
};

async function begin({ senderUrl, receiverUrl, dialect }: Extract<BystanderOrder, { do: "begin" }>): Promise<void> {
  const receiver = await open(receiverUrl ?? senderUrl, dialect);
  const sender = receiverUrl === undefined ? receiver : await open(senderUrl, dialect);
  const encode = (n: number) => dialect === "chat" ? JSON.stringify({ type: "chat", body: `${n}` }) : `${n}`;
  receiver.onmessage = ({ data }) => {
    if (typeof data !== "string") return;
    if (dialect === "plain") return take(Number(data));
    const frame = JSON.parse(data);
    if (frame.type === "new_message" && frame.message.sender.id === senderId) take(Number(frame.message.body));
  };
  setInterval(() => {
    sentAt.push(performance.now());
    sender.send(encode(sentAt.length - 1));
  }, EVERY_MS);
}

function take(n: number): void {
  if (n !== received) fault ??= `message ${n} came where ${received} was due`;
  received++;
  latenciesMs.push(performance.now() - sentAt[n]!);
}

/** Resolves once the socket is open, and the chat has greeted it. */
async function open(url: string, dialect: "plain" | "chat"): Promise<WebSocket> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.onerror = reject;
    if (dialect === "plain") return socket.onopen = resolve;
    socket.addEventListener("message", ({ data }) => {
      senderId = JSON.parse(data).user_id;
      resolve(undefined);
    }, { once: true });
  });
  socket.onclose = ({ code, reason }) => fault ??= `a connection closed ${code}: ${reason}`;
  return socket;
}

/** What has come since the last report, once all that was sent by now has. */
async function takeReport(): Promise<BystanderReport> {
  const due = sentAt.length;
  const deadline = performance.now() + LAST_DEADLINE_MS;
  while (received < due && fault === undefined && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  if (received < due) fault ??= `message ${received} of ${due} never came`;
  return { latenciesMs: latenciesMs.splice(0), ...(fault !== undefined && { fault }) };
}
