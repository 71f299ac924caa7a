import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { seedOfRun } from "../support/seeded_random.ts";
import type { Attack } from "./attack.ts";
import { type HostileFrame, hostileFrame } from "./arbitrary_frame.ts";
import type { Target } from "./target.ts";

const LANES = 4;
/** Ten bad frames in a row close a chat connection, by design. */
const FRAMES_A_CONNECTION = 9;
const ATTACKER = 66;

/** Attacks by frames that are well-formed to WebSocket, and near to what the function understands. */
export const ATTACKS_BY_FRAMES: readonly Attack[] = [
  {
    name: "frames near the protocol, mutated",
    against: ["chat"],
    tries: 3_000,
    run: async (target, tries) => {
      let errors = 0;
      await throwFrames(target, tries, async (client, frames) => {
        for (const frame of frames) client.send(frame);
        client.sendJson({ type: "ping", ref: "the end" });
        for (;;) {
          const answer = await client.nextJson();
          if (answer.ref === "the end" && answer.type === "pong") break;
          if (answer.type !== "error") continue;
          assert(answer.code !== "internal", JSON.stringify(answer));
          errors++;
        }
      });
      return `${Math.round(errors / tries * 100)} % refused, the rest handled, none ends the connection`;
    },
  },
  {
    name: "frames of any kind",
    against: ["echo", "relay"],
    tries: 2_000,
    run: async (target, tries) => {
      await throwFrames(target, tries, async (client, frames) => {
        for (const frame of frames) {
          client.send(frame);
          const answer = await client.next();
          assertEquals(typeof answer === "string" ? answer : new Uint8Array(answer), frame);
        }
      });
      return "handed on as they are";
    },
  },
];

/** Throws frames in lanes, some of them over each connection. Says the seed where it fails: `SEED` repeats it. */
async function throwFrames(
  target: Target,
  count: number,
  use: (client: Awaited<ReturnType<Target["connect"]>>, frames: readonly HostileFrame[]) => Promise<void>,
): Promise<void> {
  const seed = seedOfRun();
  // What is no well-formed text cannot be sent as such: the client would mend it.
  const frames = fc.sample(hostileFrame, { seed, numRuns: count })
    .map((frame) => typeof frame === "string" ? frame.toWellFormed() : frame);
  try {
    await Promise.all(Array.from({ length: LANES }, async (_, lane) => {
      const own = frames.filter((_, index) => index % LANES === lane);
      for (let sent = 0; sent < own.length; sent += FRAMES_A_CONNECTION) {
        await using client = await target.connect(ATTACKER + lane);
        await use(client, own.slice(sent, sent + FRAMES_A_CONNECTION));
      }
    }));
  } catch (error) {
    throw new Error(`With SEED=${seed}: ${(error as Error).message}`, { cause: error });
  }
}
