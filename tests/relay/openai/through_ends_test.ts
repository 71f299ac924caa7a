import { assert, assertEquals } from "@std/assert";
import { memorySessionStore } from "../../../shared/relay/openai/memory_session_store.ts";
import { seededRandom, seedOfRun } from "../../support/seeded_random.ts";
import { startTcpFront } from "../../support/tcp_front.ts";
import { within } from "../../support/within.ts";
import { assertTurns } from "../openai_clients/assert_turns.ts";
import type { OpenClient } from "../openai_clients/conversing_client.ts";
import { converse } from "../openai_clients/converse.ts";
import { openAgents } from "../openai_clients/open_agents.ts";
import { openReconnecting } from "../openai_clients/open_reconnecting.ts";
import { startOpenAiRealtime } from "../openai_realtime_server/start_openai_realtime.ts";
import { mortalStore } from "./mortal_store.ts";
import { ADA, startOpenAiRelay, tokenOf } from "./start_openai_relay.ts";

const SEED = seedOfRun();
/** More with `RUNS=…`. */
const RUNS = Number(Deno.env.get("RUNS") ?? 4);
const TURNS = 8;
/** An isolate ends behind so many saves: a turn has some ten, and coming back three. */
const [MIN_SAVES, MAX_SAVES] = [3, 16];
const KILLED = 0.7;
/** A save and its answer take up to so long each. */
const MAX_TRAVEL_MS = 12;
/** What Deno says of a connection that breaks off. */
const LOST = "Unexpected EOF";

/**
 * As the client of `openai` needs it: it takes `wss:` alone, and nothing here speaks TLS; and it comes back after 1006, with which a
 * lost connection closes in a browser, where Deno says 0.
 */
class BrowserWebSocket extends WebSocket {
  constructor(url: string | URL, ...others: [options?: string | string[] | WebSocketOptions]) {
    super(String(url).replace(/^wss:/, "ws:"), ...others);
  }

  override addEventListener(...[type, listener, options]: Parameters<WebSocket["addEventListener"]>): void {
    if (type !== "close" || typeof listener !== "function") return super.addEventListener(type, listener, options);
    super.addEventListener("close", (event) => {
      const { code, reason } = event;
      Reflect.apply(listener, this, [code === 0 ? new CloseEvent("close", { code: 1006, reason }) : event]);
    }, options);
  }
}

const CLIENTS: readonly { readonly name: string; readonly open: OpenClient }[] = [
  { name: "the client of openai", open: openReconnecting },
  { name: "agents-realtime on a RelaySocket", open: openAgents },
];

for (const { name, open } of CLIENTS) {
  for (let run = 0; run < RUNS; run++) {
    const seed = SEED + run;
    const title = `${name} has every question answered once through isolates that end behind any save, run ${run + 1}`;
    Deno.test(title, () => within(`the conversation (SEED=${seed})`, converseThroughEnds(seed, open), 60_000));
  }
}

async function converseThroughEnds(seed: number, open: OpenClient): Promise<void> {
  const random = seededRandom(seed);
  await using stack = new AsyncDisposableStack();
  const openAi = stack.use(await startOpenAiRealtime({ deltaDelayMs: 2 }));
  const store = memorySessionStore();
  const ends = { kills: 0, handOvers: 0 };
  let isOver = false;
  let current: { readonly host: string };
  const startIsolate = () => {
    let left = MIN_SAVES + Math.floor(random() * (MAX_SAVES - MIN_SAVES));
    let isCut = false;
    const isKilled = random() < KILLED;
    const travel = () => new Promise<void>((resolve) => setTimeout(resolve, random() * MAX_TRAVEL_MS));
    const own = mortalStore(store, {
      travel,
      diesAfter() {
        if (isOver || --left !== 0) return false;
        startIsolate();
        if (isKilled) {
          ends.kills++;
          isCut = true;
          front[Symbol.dispose]();
        } else {
          ends.handOvers++;
          relay.isolate.drain("memory");
        }
        return isKilled;
      },
    });
    const relay = stack.use(startOpenAiRelay(openAi, { store: own }));
    const front = startTcpFront(relay.host);
    stack.defer(() => void (isCut || front[Symbol.dispose]()));
    current = front;
  };
  startIsolate();
  const door = stack.use(startTcpFront(() => current.host));
  const native = globalThis.WebSocket;
  stack.defer(() => void (globalThis.WebSocket = native));
  globalThis.WebSocket = BrowserWebSocket;

  const url = `wss://${door.host}/relay/openai?model=gpt-realtime&session=talk`;
  const { transcript, errors } = await converse({ url, key: await tokenOf(ADA) }, TURNS, { open });
  isOver = true;
  const told = `SEED=${seed}, ${TURNS} turns, ${ends.kills} kills, ${ends.handOvers} hand-overs`;
  assertEquals(errors.filter((error) => error !== LOST), [], told);
  assert(ends.kills + ends.handOvers > 0 && openAi.sessions.length > 1, told);
  assertEquals(transcript, openAi.sessions.at(-1)!.transcript, told);
  assertTurns(transcript, TURNS, told);
}
