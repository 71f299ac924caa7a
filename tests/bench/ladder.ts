import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { RateLimiter } from "../../shared/connection/rate_limiter.ts";
import { utf8Length } from "../../shared/connection/utf8_length.ts";
import { ChatClientFrame } from "../../shared/protocol/chat_client_frames.ts";
import { encodeEventHint } from "../../shared/room/hint.ts";
import { parseChatFrame } from "../../shared/room/parse_chat_frame.ts";
import { groupCommit } from "../../shared/store/group_commit.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import type { LogEvent, Store, Write } from "../../shared/store/store.ts";
import { inProcessChat, type StandInSocket } from "../support/in_process_chat.ts";
import { userId } from "../support/serve_chat.ts";
import { cpuUsedUs, readCpu } from "./cpu_clock.ts";
import { markedText } from "./load/marked_text.ts";
import { median } from "./median.ts";
import { MESSAGE_BYTES, SENDERS } from "./stand.ts";
import type { Section } from "./table.ts";

export interface LadderOptions {
  readonly rounds: number;
  readonly log: (line: string) => void;
}

/** How often a step is taken in a round. */
const TIMES = 20_000;
const ACTOR = { id: userId(1), name: "Member 1" };
const BODY = markedText({ sender: 0, number: 1, sentUs: 1 }, MESSAGE_BYTES);

/** One thing that is done for a message; `n` is another one each time. */
interface Step {
  readonly name: string;
  /** How many times it is done. */
  readonly per: string;
  /** Times in one call of `run`. */
  readonly times?: number;
  readonly run: (n: number) => unknown;
}

/**
 * What of a message's CPU is the functions' own, without sockets and kernel: each step by itself, hot, and the whole of
 * it in rooms whose sockets throw away what they are sent.
 */
export async function benchLadder({ rounds, log }: LadderOptions): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const steps = [...singleSteps(), ...await wholeRooms(stack)];
  const measured = steps.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [index, step] of steps.entries()) {
      const us = await measure(step, (round + 1) * TIMES);
      if (round >= 0) measured[index]!.push(us);
    }
    log(`ladder: ${round < 0 ? "warm-up" : `round ${round + 1}`} of ${steps.length} steps`);
  }
  const rows = steps.map(({ name, per }, index) => [name, per, median(measured[index]!).toFixed(2)]);
  const [small, large] = [measured.at(-2)!, measured.at(-1)!];
  const perDelivery = median(small.map((us, round) => (large[round]! - us) / (LARGE - SMALL)));
  rows.push(["the difference, by member", "delivery", perDelivery.toFixed(2)]);
  return { name: "ladder", columns: ["step", "per", "us"], rows };
}

/** CPU of this process for one time, in microseconds. */
async function measure({ run, times = 1 }: Step, from: number): Promise<number> {
  const calls = TIMES / times;
  const before = await readCpu(Deno.pid);
  for (let n = from; n < from + calls; n++) {
    const pending = run(n);
    if (pending instanceof Promise) await pending;
  }
  return cpuUsedUs(before, await readCpu(Deno.pid)) / TIMES;
}

function singleSteps(): Step[] {
  const text = (n: number) => `{"type":"chat","client_id":"0123abcd-${n}","body":"${BODY}"}`;
  const limits = { messagesPerSecond: 1e9, messageBurst: 1e9, bytesPerSecond: 1e12, byteBurst: 1e12 };
  const limiter = new RateLimiter(limits);
  const frame = JSON.parse(text(0));
  const grouped = groupCommit(numberingStore());
  const write = (n: number): Write => ({ kind: "message", actor: ACTOR, room: "bench", body: BODY, client_id: `${n}` });
  const memory = memoryStore();
  const opened = memory.join(ACTOR, "bench", { createRooms: true });
  const event = eventOf(write(1), 1);
  const encoded = JSON.stringify(event.frame);
  const bus = memoryBus();
  bus.subscribe("room:bench", () => {});
  const hint = encodeEventHint("isolate", "epoch", event, encoded);
  return [
    { name: "count the frame's bytes", per: "message", run: () => utf8Length(text(1)) },
    { name: "rate limit", per: "message", run: () => limiter.take(300) },
    { name: "read and validate the frame", per: "message", run: (n) => parseChatFrame(text(n)) },
    { name: "(what its schema would take beside that)", per: "message", run: () => ChatClientFrame.safeParse(frame) },
    { name: "group commit, of a store that does nothing", per: "message", run: (n) => grouped.post([write(n)]) },
    { name: "the memory store", per: "message", run: (n) => opened.then(() => memory.post([write(n)])) },
    { name: "encode the event", per: "message", run: (n) => JSON.stringify(eventOf(write(n), n).frame) },
    { name: "encode the acknowledgement", per: "message", run: (n) => JSON.stringify(ackOf(n)) },
    { name: "encode the hint", per: "message", run: () => encodeEventHint("isolate", "epoch", event, encoded) },
    { name: "publish it, on the memory bus", per: "message", run: () => bus.publish("room:bench", hint) },
  ];
}

const SMALL = 10;
const LARGE = 100;
/** Messages that arrive in one turn of the event loop, and the turns of promises in which they are delivered. */
const TOGETHER = 4;
const TURNS = 20;

/** All of it together, to the call of `send` on each member's socket. */
async function wholeRooms(stack: AsyncDisposableStack): Promise<Step[]> {
  const steps: Step[] = [];
  for (const members of [SMALL, LARGE]) {
    const chat = inProcessChat({ store: groupCommit(memoryStore()) });
    stack.defer(() => chat.close());
    const sockets: StandInSocket[] = [];
    for (let n = 1; n <= members; n++) sockets.push(await chat.connect(n, "room=bench"));
    const run = async (n: number) => {
      for (let i = 0; i < TOGETHER; i++) {
        const data = `{"type":"chat","client_id":"0123abcd-${n}-${i}","body":"${BODY}"}`;
        sockets[(n + i) % SENDERS]!.receive(data);
      }
      // Each waits for nothing but its turn: a turn of the event loop would be measured with them.
      for (let turn = 0; turn < TURNS; turn++) await Promise.resolve();
    };
    steps.push({ name: `all of it, ${members} members, memory store`, per: "message", times: TOGETHER, run });
  }
  return steps;
}

/** A store that numbers what it is given and keeps nothing. */
function numberingStore(): Store {
  let head = 0;
  const store: Pick<Store, "post"> = {
    post: (writes) =>
      Promise.resolve(writes.map((write) => {
        const event = eventOf(write, ++head);
        return { ok: true, value: { id: ACTOR.id, room: "bench", seq: head, created_at: AT, event } };
      })),
  };
  return { ...memoryStore(), ...store };
}

const AT = new Date(0).toISOString();

function eventOf(write: Write, seq: number): LogEvent {
  const content = write.kind === "message" ? { body: write.body, client_id: write.client_id } : { body: "" };
  const times = { is_read: false, read_at: null, created_at: AT, updated_at: AT };
  const message = { id: ACTOR.id, room: "bench", seq, sender: ACTOR, community: "bench", ...content, ...times };
  return { room: "bench", seq, frame: { type: "new_message", message } };
}

function ackOf(seq: number) {
  return { type: "ack", client_id: "0123abcd-1", ref: undefined, id: ACTOR.id, room: "bench", seq, created_at: AT };
}
