import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { ChatClientFrame } from "../../shared/protocol/chat_client_frames.ts";
import { seedOfRun } from "../support/seeded_random.ts";
import { serveChat, userId } from "../support/serve_chat.ts";

const TYPES = ChatClientFrame.def.options.map(({ _zod }) => String([..._zod.def.shape.type._zod.values!][0]));

/** Frames near the protocol: known types and members with likely and unlikely values, and frames that are no JSON at all. */
const member = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(userId(1), userId(2), "lobby", "", -1, 1e999, null, "x".repeat(5_000), "\u0000", "\ud800", true),
);
const frame = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom(...TYPES, "nope"),
      ...Object.fromEntries(
        [
          "body",
          "text",
          "room",
          "to",
          "client_id",
          "message_id",
          "emoji",
          "remove",
          "since",
          "epoch",
          "before",
          "limit",
          "rooms",
          "data",
          "subject",
          "reply_to",
          "jwt",
          "ref",
          "__proto__",
          "constructor",
        ].map((name) => [name, member]),
      ),
    }, { requiredKeys: ["type"] }).map((value) => JSON.stringify(value)),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 200 }) },
  { weight: 1, arbitrary: fc.json({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
);

Deno.test("10,000 random frames: each is answered or refused, the isolate lives, and its memory stays flat", async () => {
  await using chat = serveChat({
    sockets: { messagesPerSecond: 1e6, bytesPerSecond: 1e9, maxConnectionsPerUser: 1_000 },
  });
  const seed = seedOfRun();
  const frames = fc.sample(frame, { seed, numRuns: 10_000 });
  let sent = 0;
  let answers = 0;
  let afterWarmUp = 0;
  while (sent < frames.length) {
    const socket = await chat.connect(1, "room=lobby");
    // Up to nine bad ones in a row leave the connection open: every ping between them has to be answered.
    for (const data of frames.slice(sent, sent + 9)) {
      socket.socket.send(data as string);
      sent++;
    }
    socket.sendJson({ type: "ping", ref: "the end" });
    for (let answer = await socket.nextJson(); answer.ref !== "the end"; answer = await socket.nextJson()) answers++;
    await socket.close();
    if (sent > 3_000 && afterWarmUp === 0) afterWarmUp = Deno.memoryUsage().rss;
  }
  assert(answers > 8_000, `seed ${seed}: only ${answers} answers`);
  assertEquals([chat.errors, chat.isolate.state], [[], "serving"], `seed ${seed}`);
  const grownMb = (Deno.memoryUsage().rss - afterWarmUp) / 2 ** 20;
  assert(grownMb < 100, `seed ${seed}: the memory grew by ${grownMb} MB`);
});
