import { assert, assertEquals } from "@std/assert";
import { install } from "@sinonjs/fake-timers";
import { PASSING_LIMITS } from "../../shared/room/rooms.ts";
import { serveChat } from "../support/serve_chat.ts";
import type { TestSocket } from "../support/socket.ts";

const RAISED = { messagesPerSecond: 1e6, bytesPerSecond: 1e9, maxFrameBytes: 4 * 1024 * 1024 };
/** Eight of these to four connections are all that a user may send at once. */
const LARGE = "x".repeat(PASSING_LIMITS.byteBurst / 4 / 8 - 200);

Deno.test("signals of a user are bounded by what they cost: size times those who hear it, over all connections", async () => {
  // Nothing is given back meanwhile.
  using _clock = frozenDate();
  await using chat = serveChat({ sockets: RAISED });
  const [first, second, other, reader] = [
    await chat.connect(1, "room=r"),
    await chat.connect(1, "room=r"),
    await chat.connect(2, "room=r"),
    await chat.connect(3, "room=r"),
  ];
  const say = async (client: TestSocket, ref: string) => {
    client.sendJson({ type: "signal", data: LARGE });
    client.sendJson({ type: "ping", ref });
    for (let refused = false;;) {
      const frame = await client.nextJson();
      if (frame.code === "rate_limited") refused = true;
      if (frame.ref === ref) return refused ? "refused" : "passed";
    }
  };
  const outcomes: string[] = [];
  for (let n = 0; n < 10; n++) outcomes.push(await say(n % 2 === 0 ? first : second, `${n}`));
  assertEquals(outcomes, [...Array(8).fill("passed"), "refused", "refused"]);
  assertEquals(await say(other, "o"), "passed", "another user has his own");
  for (let heard = 0; heard < 9;) if ((await reader.nextJson()).type === "signal") heard++;
  first.sendJson({ type: "signal", data: LARGE, to: crypto.randomUUID() });
  first.sendJson({ type: "chat", body: "messages are bounded by the store", ref: "m" });
  while ((await first.nextJson()).ref !== "m");
  for (const client of [first, second, other, reader]) await client.close();
});

Deno.test("a raw connection that sends more than may be sent to so many is closed 4429", async () => {
  using _clock = frozenDate();
  await using chat = serveChat({ sockets: RAISED });
  const [sender, reader] = [await chat.connect(1, "room=r&format=raw"), await chat.connect(2, "room=r&format=raw")];
  const frame = new Uint8Array(4 * 1024 * 1024);
  for (let n = 0; n < 4; n++) {
    sender.send(frame);
    assertEquals((await reader.next() as ArrayBuffer).byteLength, frame.length);
  }
  sender.send(frame);
  const { code, reason } = await sender.closed;
  assertEquals([code, reason.split(":")[0]], [4429, "rate_limited"]);
  assert(reader.socket.readyState === WebSocket.OPEN);
  await reader.close();
});

function frozenDate(): Disposable {
  const clock = install({ now: 1_900_000_000_000, toFake: ["Date"] });
  return { [Symbol.dispose]: () => clock.uninstall() };
}
