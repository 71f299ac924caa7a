import { assert, assertEquals } from "@std/assert";
import { assertTurns } from "../relay/openai_clients/assert_turns.ts";
import type { Conversed } from "../relay/openai_clients/converse.ts";
import { startOpenAiRealtime } from "../relay/openai_realtime_server/start_openai_realtime.ts";
import { requires } from "../support/requires.ts";
import { seededRandom, seedOfRun } from "../support/seeded_random.ts";
import { selfSignedCertificate } from "../support/self_signed_certificate.ts";
import { signUp } from "../support/sign_up.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { startTcpFront } from "../support/tcp_front.ts";
import { within } from "../support/within.ts";
import { openRelayPage } from "./open_relay_page.ts";

const SEED = seedOfRun();
const KEY = "sk-of-the-server-alone";
/** More with `TURNS=…`: 100 are a conversation of ten minutes at a turn every six seconds. */
const TURNS = Number(Deno.env.get("TURNS") ?? 12);
/** Isolates hand over at 80 % of this. */
const WALL_CLOCK_MS = 4_000;
const KILL_EVERY_MS = 3_000;
/** Before even a short conversation is over. */
const FIRST_KILL_MS = 600;
/** As long as there is no isolate to kill. */
const NO_VICTIM_MS = 50;
/** A conversation of so many turns meets hand-overs as well. */
const LONG = 50;
const DEADLINE_MS = 60_000 + TURNS * 2_000;

const chromium = requires("chromium");

Deno.test({
  name:
    `a conversation through isolates that hand over and are killed has every question answered once${chromium.suffix}`,
  ignore: chromium.ignore,
  // The conversation fails before, and says how far it has come.
  fn: () => within(`the conversation (SEED=${SEED})`, converseThroughEnds(), DEADLINE_MS + 30_000),
});

/** By the client of `openai` on a page, with `reconnect: true`: on Deno a lost connection is no 1006, after which it would come back. */
async function converseThroughEnds(): Promise<void> {
  await using opened = await openRelayPage(chromium.path);
  const { page, origin } = opened;
  await using openAi = await startOpenAiRealtime({ apiKey: KEY, deltaDelayMs: 15 });
  await using local = await startTestLocal({
    wallClockMs: WALL_CLOCK_MS,
    env: { OPENAI_API_KEY: KEY, OPENAI_REALTIME_URL: openAi.url, ALLOWED_ORIGINS: origin },
  });
  const { accessToken: key } = await signUp(local, "ada");
  using front = startTcpFront(new URL(local.url).host, await selfSignedCertificate());
  const url = `wss://${front.host}/functions/v1/relay/openai/realtime?model=gpt-realtime&session=talk-1`;

  using killing = killNowAndThen(local, seededRandom(SEED));
  const { transcript, reconnects, errors }: Conversed = await page.evaluate(
    ([url, key, turns, deadlineMs]) => globalThis.converse({ url, key }, turns, { deadlineMs }),
    [url, key, TURNS, DEADLINE_MS] as const,
  ).catch((cause) => {
    const last = openAi.sessions.at(-1);
    const upstream = last &&
      {
        isOpen: last.isOpen,
        received: last.received.slice(-6).map(({ type }) => type),
        said: last.transcript.slice(-3),
      };
    const sessions = openAi.sessions.length;
    const state = JSON.stringify(
      { seed: SEED, kills: killing.kills, isolates: local.isolates(), sessions, upstream },
      null,
      2,
    );
    throw new Error(`The conversation broke off: ${state}\n${local.logged.slice(-20).join("\n")}`, { cause });
  });

  const handOvers = reconnects[1012] ?? 0;
  const told = `SEED=${SEED}, ${TURNS} turns, ${handOvers} hand-overs, ${killing.kills} kills, ` +
    `${openAi.sessions.length} sessions at OpenAI`;
  // deno-lint-ignore no-console
  if (Deno.env.has("TURNS")) console.log(told, JSON.stringify(reconnects));
  assertEquals(errors, [], told);
  assert(killing.kills > 0 && openAi.sessions.length > 1, told);
  assert(TURNS < LONG || handOvers > 0, told);
  assertEquals(transcript, openAi.sessions.at(-1)!.transcript, told);
  assertTurns(transcript, TURNS, told);
  assertEquals(opened.errors(), [], told);
  assert(!local.logged.join("\n").includes(KEY), "the key is in a log line");
  const seen = new TextDecoder().decode(await new Blob(front.said as BlobPart[]).arrayBuffer());
  assert(seen.includes("response.done") && !seen.includes(KEY), "the key is in a frame");
}

/** Kills an isolate of the relay at moments nobody chose. */
function killNowAndThen(local: TestLocal, random: () => number): Disposable & { readonly kills: number } {
  let kills = 0;
  let timer: ReturnType<typeof setTimeout>;
  const plan = (delayMs: number) => {
    timer = setTimeout(() => {
      const isolates = local.isolates().filter((isolate) => isolate.function === "relay");
      const victim = isolates[Math.floor(random() * isolates.length)];
      if (victim) {
        local.killIsolate(victim.id);
        kills++;
      }
      plan(victim ? KILL_EVERY_MS * (0.5 + random()) : NO_VICTIM_MS);
    }, delayMs);
  };
  plan(FIRST_KILL_MS);
  return {
    get kills() {
      return kills;
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
