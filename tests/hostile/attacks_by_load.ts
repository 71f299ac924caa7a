import { assert, assertEquals } from "@std/assert";
import { FrameSocket } from "../bench/load/frame_socket.ts";
import { eventually } from "../support/eventually.ts";
import { encodeFrame, type RawSocket, TEXT } from "../support/raw_socket.ts";
import type { TestSocket } from "../support/socket.ts";
import { type Attack, countOutcomes } from "./attack.ts";
import { FUNCTIONS, type Target } from "./target.ts";

/** Users from here on attack; those of one attack differ from those of others where a limit counts by user. */
const FIRST_ATTACKER = 1_000;
/** Just below what a chat frame may hold. */
const LARGE = "x".repeat(60_000);

/** Attacks by more of what is allowed than a server may bear, and by less of what is expected: of reading, above all. */
export const ATTACKS_BY_LOAD: readonly Attack[] = [
  {
    name: "for comparison: clients who come, speak and go",
    against: FUNCTIONS,
    tries: 100,
    run: (target, tries) =>
      countOutcomes(tries, async (n) => {
        await using client = await target.connect(FIRST_ATTACKER + n, "room=honest");
        client.sendJson({ type: "ping" });
        await client.next();
        return "answered";
      }),
  },
  {
    name: "a hundred times the rate",
    against: FUNCTIONS,
    tries: 3,
    run: (target, tries) => {
      const frames = encodeFrame(TEXT, `{"type":"ping"}`);
      const second = new Uint8Array(frames.length * 10_000);
      for (let i = 0; i < 10_000; i++) second.set(frames, i * frames.length);
      return countOutcomes(tries, async (n) => {
        using client = await target.connectRaw(FIRST_ATTACKER + n);
        const written = client.write(second).catch(() => {}); // It is cut off in the middle.
        const close = await client.nextClose();
        await written;
        return close === undefined ? "dropped" : `closed ${close.code}`;
      }, 1);
    },
  },
  {
    name: "1,000 connections of one user",
    against: FUNCTIONS,
    tries: 1_000,
    run: async (target, tries) => {
      using clients = new DisposableStack();
      const path = await target.path(FIRST_ATTACKER);
      let refused = 0;
      await countOutcomes(tries, async () => {
        try {
          const client = await target.openRaw(path);
          clients.use(client);
          client.nextClose().then((close) => close?.code === 4429 && refused++, () => {});
          return "opened";
        } catch (error) {
          // Only so many at a time are given a socket to be told why.
          assert(String(error).includes("answered with 429"), String(error));
          refused++;
          return "refused";
        }
      }, 100);
      const limit = 20;
      await eventually("the others are refused", () => refused === tries - limit, { deadlineMs: 30_000 });
      await eventually("nothing is left of those", async () => (await target.health()).connections <= 60);
      return `${limit} kept, the others closed 4429 or answered 429`;
    },
  },
  {
    name: "clients that vanish",
    against: FUNCTIONS,
    tries: 200,
    run: (target, tries) =>
      countOutcomes(tries, async (n) => {
        using client = await target.connectRaw(FIRST_ATTACKER + n);
        for (let i = 0; i < 3; i++) await client.sendFrame(TEXT, `{"type":"chat","body":"${n}.${i}"}`);
        await client.sendFrame(TEXT, "half of what", { length: 4_000 });
        return "forgotten";
      }),
  },
  {
    name: "tokens that nobody has signed",
    against: FUNCTIONS,
    tries: 300,
    run: async (target, tries) => {
      const [header, claims] = (await target.tokens.sign(FIRST_ATTACKER)).split(".");
      return await countOutcomes(tries, async () => {
        const signature = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(64))))
          .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
        using client = await target.openRaw(`/${target.name}?room=lobby&jwt=${header}.${claims}.${signature}`);
        const close = await client.nextClose();
        assertEquals(close?.code, 4401);
        return "closed 4401";
      });
    },
  },
  {
    name: "readers that stall in a busy room",
    against: ["chat"],
    tries: 10,
    run: (target, tries) => againstReaders(target, tries, "stalled", () => {}),
  },
  {
    name: "readers that trickle in a busy room",
    against: ["chat"],
    tries: 10,
    run: (target, tries) =>
      againstReaders(target, tries, "trickled", async (reader) => {
        for (let i = 0; i < 100; i++) {
          await reader.readSome(1_000);
          await pause(20);
        }
      }),
  },
  signalsToRoomOf(100),
  // A thousand members take a while to come.
  { ...signalsToRoomOf(1_000), isLong: true },
  {
    name: "rooms joined and left in a loop",
    against: ["chat"],
    tries: 2_000,
    run: async (target, tries) => {
      const outcome = await countOutcomes(tries / 50, async (n) => {
        await using client = await target.connect(FIRST_ATTACKER + n, "");
        for (let i = 0; i < 50; i++) {
          client.sendJson({ type: "join", room: `loop-${n}-${i}`, ref: "x" });
          client.sendJson({ type: "leave", room: `loop-${n}-${i}` });
        }
        client.sendJson({ type: "ping", ref: "end" });
        while ((await client.nextJson()).ref !== "end");
        return "joined and left";
      });
      return `${outcome}; ${(await target.health()).rooms} rooms linger`;
    },
  },
  {
    name: "`resume` of 2,500 rooms that are not there",
    against: ["chat"],
    tries: 20,
    run: async (target, tries) => {
      const rooms = Object.fromEntries(Array.from({ length: 2_500 }, (_, n) => [`none-${n}`, { since: 0 }]));
      const text = JSON.stringify({ type: "resume", rooms });
      return await countOutcomes(tries, async (n) => {
        const client = await target.connect(FIRST_ATTACKER + n, "");
        client.send(text);
        const { code } = await client.closed;
        assertEquals(code, 4400);
        return "closed 4400";
      }, 1);
    },
  },
  {
    name: "`resume` without end of a user in 600 rooms",
    against: ["chat"],
    tries: 200,
    run: async (target, tries) => {
      // Beside a room, where no connection hears what the others join.
      await countOutcomes(3, async (n) => {
        await using client = await target.connect(FIRST_ATTACKER, "room=many");
        for (let i = 0; i < 199; i++) client.sendJson({ type: "join", room: `many-${n}-${i}` });
        return await outcomeOf(client);
      }, 1);
      return await countOutcomes(1, async () => {
        await using client = await target.connect(FIRST_ATTACKER, "");
        for (let n = 1; n < tries; n++) client.sendJson({ type: "resume", rooms: {}, ref: "resume" });
        let refused = 0;
        await outcomeOf(client, (frame) => frame.ref === "resume" && refused++);
        // A minute of the clock may have begun meanwhile.
        assert(refused >= tries - 1 - 40, `${refused} were refused`);
        return "all but 20 a minute refused";
      });
    },
  },
  {
    name: "a crowded room joined and left in a loop",
    against: ["chat"],
    tries: 400,
    run: async (target, tries) => {
      await using _members = await openMembers(target, 100);
      return await countOutcomes(tries / 80, async (n) => {
        await using client = await target.connect(FIRST_ATTACKER + 500 + n, "");
        for (let i = 0; i < 80; i++) {
          client.sendJson({ type: "join", room: "crowd" });
          client.sendJson({ type: "leave", room: "crowd" });
        }
        await outcomeOf(client);
        return "joined and left";
      });
    },
  },
  {
    name: "signals to a user with 20 connections",
    against: ["chat"],
    tries: 2_000,
    run: async (target, tries) => {
      const room = "room=aimed";
      const readers = await Promise.all(Array.from({ length: 20 }, () => target.connect(FIRST_ATTACKER, room)));
      const clients = await Promise.all(Array.from({ length: 20 }, () => target.connect(FIRST_ATTACKER + 1, room)));
      const to = subjectOf(await target.tokens.sign(FIRST_ATTACKER));
      const begunAt = performance.now();
      let refused = 0;
      await Promise.all(clients.map(async (client) => {
        for (let n = 0; n < tries / 20; n++) client.sendJson({ type: "signal", data: "x", to, ref: "signal" });
        await outcomeOf(client, (frame) => frame.ref === "signal" && refused++);
      }));
      const passed = tries - refused;
      const most = 20_000 + 10_000 * (performance.now() - begunAt) / 1_000;
      assert(passed * readers.length <= most, `${passed} have passed to ${readers.length}, where ${most} may be heard`);
      for (const client of [...readers, ...clients]) await client.close();
      return "1,000 and 500 a second delivered, the rest refused";
    },
  },
  {
    name: "`history` of large messages, sixteen at a time",
    against: ["chat"],
    tries: 16,
    run: async (target, tries) => {
      // What is sent in all is many times what one connection may send.
      for (let n = 0; n < 6; n++) {
        await using sender = await target.connect(FIRST_ATTACKER + n, "room=large");
        for (let i = 0; i < 10; i++) {
          sender.sendJson({ type: "chat", body: "x", data: LARGE });
          await sender.nextOfType("new_message");
        }
      }
      return await countOutcomes(tries / 16, async () => {
        const client = await target.connect(FIRST_ATTACKER, "room=large");
        for (let n = 0; n < 16; n++) client.sendJson({ type: "history", limit: 200, ref: `${n}` });
        // He who asks for more than he reads is dropped as any slow reader is.
        for (let answers = 0; answers < 16;) {
          const frame = await client.next().catch(() => undefined) as string | undefined;
          if (frame === undefined) return "dropped as a slow reader";
          if (!frame.startsWith('{"type":"history"')) continue;
          assert(frame.length < 1.2 * 2 ** 20, `A page has ${frame.length} characters`);
          answers++;
        }
        await client.close();
        return "answered, 1 MiB a page";
      }, 1);
    },
  },
  {
    name: "one `client_id` over ten connections at once",
    against: ["chat"],
    tries: 20,
    run: (target, tries) =>
      countOutcomes(tries, async (n) => {
        const room = `again-${n}`;
        const clients = await Promise.all(
          Array.from({ length: 10 }, (_, i) => target.connect(FIRST_ATTACKER + (i < 5 ? 0 : 1), `room=${room}`)),
        );
        for (const client of clients) client.sendJson({ type: "chat", body: "x", client_id: `id-${n}` });
        const acks = await Promise.all(clients.map((client) => client.nextOfType("ack")));
        for (const client of clients) await client.close();
        const messages = new Set(acks.map(({ id }) => id)).size;
        assertEquals(messages, 2);
        return "one message a user";
      }, 1),
  },
  {
    name: "room names of every plane of Unicode",
    against: ["chat"],
    tries: 17 * 4,
    run: (target, tries) =>
      countOutcomes(tries, async (n) => {
        const name = nameOfPlane(n % 17, Math.floor(n / 17));
        const encoded = encodeURIComponent(name);
        const query = n % 2 === 0 ? `?room=${encoded}&` : `/${encoded}?`;
        using client = await target.openRaw(`/chat${query}jwt=${await target.tokens.sign(FIRST_ATTACKER)}`);
        const close = await client.nextClose();
        assertEquals(close?.code, 4400, JSON.stringify(name));
        return "closed 4400";
      }),
  },
];

/** Reads all that was answered to what a client has sent so far. */
async function outcomeOf(client: TestSocket, onFrame: (frame: Record<string, unknown>) => void = () => {}) {
  client.sendJson({ type: "ping", ref: "the end" });
  for (let frame = await client.nextJson(); frame.ref !== "the end"; frame = await client.nextJson()) onFrame(frame);
  return "answered";
}

/** The user of a token. */
function subjectOf(token: string): string {
  return JSON.parse(atob(token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/"))).sub;
}

/** A letter of a plane, alone or in a name, or half of one. */
function nameOfPlane(plane: number, form: number): string {
  const letter = String.fromCodePoint(plane * 0x10000 + 0x0430);
  return [letter, `room-${letter}`, `${letter}‮room`, `room${letter}`.normalize("NFD") + "\u0301"][form % 4]!;
}

/** A member of a room sends the largest signals there are to all others, who read them. */
function signalsToRoomOf(count: number): Attack {
  return {
    name: `signals of the size limit to a room of ${count.toLocaleString("en")}`,
    against: ["chat"],
    tries: 100,
    run: async (target, tries) => {
      await using members = await openMembers(target, count);
      const [sender] = members.clients;
      for (let n = 0; n < tries; n++) {
        sender!.send(JSON.stringify({ type: "signal", data: LARGE }));
        if (n % 10 === 9) await pause(100); // Or its connection would be closed for its rate.
      }
      sender!.send(JSON.stringify({ type: "ping", ref: "the end" }));
      await eventually("all have been handled", () => members.pongs === 1, { deadlineMs: 60_000 });
      const passed = Math.round(members.bytes / LARGE.length / (count - 1));
      assert(passed < tries / 2, `${passed} of ${tries} have passed`);
      return `${passed} delivered, the rest refused`;
    },
  };
}

/** Lets users who do not read sit in a room in which much is said, until each has been dropped. */
async function againstReaders(
  target: Target,
  readers: number,
  room: string,
  read: (reader: RawSocket) => Promise<void> | void,
): Promise<string> {
  using slow = new DisposableStack();
  const sockets = await Promise.all(Array.from({ length: readers }, async (_, n) => {
    return slow.use(await target.connectRaw(FIRST_ATTACKER + n, `room=${room}`));
  }));
  const before = (await target.health()).connections;
  const reading = sockets.map((reader) => Promise.resolve(read(reader)).catch(() => {}));
  const talkers: TestSocket[] = [];
  const signal = JSON.stringify({ type: "signal", data: LARGE });
  await eventually("slow readers are dropped", async () => {
    // Each talker is let through with a burst of bytes, and no more.
    const talker = await target.connect(FIRST_ATTACKER + 500 + talkers.length, `room=${room}`);
    talkers.push(talker);
    for (let n = 0; n < 60; n++) talker.send(signal);
    await talker.close();
    return (await target.health()).connections <= before - readers;
  }, { deadlineMs: 60_000 });
  slow.dispose();
  await Promise.all(reading);
  assert(((await target.health()).counters.refused.slow_reader ?? 0) >= readers);
  return `dropped after ${talkers.length * 60} signals`;
}

/** Members of a room who read what comes. */
interface Crowd extends AsyncDisposable {
  readonly clients: FrameSocket[];
  /** Of large frames. */
  bytes: number;
  pongs: number;
}

async function openMembers(target: Target, count: number): Promise<Crowd> {
  const ends: Promise<void>[] = [];
  const members: Crowd = {
    clients: [],
    bytes: 0,
    pongs: 0,
    async [Symbol.asyncDispose]() {
      for (const client of members.clients) client.close();
      await Promise.all(ends);
    },
  };
  for (let n = 0; n < count; n++) {
    const client = await FrameSocket.open(`ws://${target.host}${await target.path(FIRST_ATTACKER + n, "room=crowd")}`);
    members.clients.push(client);
    ends.push(client.readFrames((buffer, start, end) => {
      if (end - start > LARGE.length) members.bytes += end - start;
      else if (decoder.decode(buffer.subarray(start, end)).startsWith('{"type":"pong"')) members.pongs++;
    }));
  }
  return members;
}

const decoder = new TextDecoder();

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms));
}
