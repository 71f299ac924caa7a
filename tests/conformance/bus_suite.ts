import { assert, assertEquals } from "@std/assert";
import type { Bus } from "../../shared/bus/bus.ts";
import { eventually } from "../support/eventually.ts";

/** A bus to test: what several isolates have it over. */
export interface OpenedBus {
  /** The bus of another isolate; the same each time where there is but one. */
  open(): Bus;
  /** Takes the server away and cuts what is connected; and brings it back. */
  readonly server?: { stop(): Promise<void>; start(): Promise<void> };
  close(): Promise<void>;
}

/** A backend to hold to the promises of `Bus`. */
export interface BusUnderTest {
  readonly name: string;
  readonly create: () => OpenedBus | Promise<OpenedBus>;
  readonly ignore?: boolean;
}

/** Registers one test for `name` with a step for each promise of the port; nothing it opened stays open. */
export function testBus({ name, create, ignore = false }: BusUnderTest): void {
  Deno.test({
    name: `Bus: ${name}`,
    ignore,
    async fn(t) {
      const opened = await create();
      try {
        const promises = opened.server === undefined ? PROMISES : { ...PROMISES, ...SERVER_PROMISES };
        for (const [test, fn] of Object.entries(promises)) {
          await t.step(test, () => run(opened, fn));
        }
      } finally {
        await opened.close();
      }
    },
  });
}

/** What a step works with: buses that are closed when it ends. */
interface Step extends OpenedBus {
  /** A topic that no other step uses. */
  readonly topic: string;
}

async function run(opened: OpenedBus, fn: (step: Step) => Promise<void>): Promise<void> {
  const buses: Bus[] = [];
  const open = () => {
    const bus = opened.open();
    buses.push(bus);
    return bus;
  };
  try {
    await fn({ ...opened, open, topic: `room:${crypto.randomUUID()}` });
  } finally {
    for (const bus of buses) await bus.close();
  }
}

const PROMISES: Readonly<Record<string, (step: Step) => Promise<void>>> = {
  async "a text reaches every subscriber of its topic, on every isolate, and no other"({ open, topic }) {
    const [a, b, c] = [open(), open(), open()];
    const heard = [record(a, topic), record(b, topic), record(b, topic), record(c, topic)];
    const elsewhere = [record(a, `${topic}x`), record(c, topic.slice(0, -1)), record(b, topic.toUpperCase())];
    for (const bus of [a, b, c]) await linked(a, bus, topic);
    a.publish(topic, "one");
    b.publish(topic, "two");
    await eventually("all hear both", () => heard.every((texts) => texts.includes("one") && texts.includes("two")));
    assertEquals(elsewhere.flat().filter((text) => !isProbe(text)), []);
  },

  async "a publisher hears its own texts"({ open, topic }) {
    const bus = open();
    const heard = record(bus, topic);
    await linked(bus, bus, topic);
    bus.publish(topic, "mine");
    await eventually("it hears itself", () => heard.includes("mine"));
    assertEquals(heard.filter((text) => text === "mine").length, 1);
  },

  async "one isolate hears another that does not subscribe to the topic itself"({ open, topic }) {
    const [a, b] = [open(), open()];
    const heard = record(b, topic);
    await linked(a, b, topic);
    a.publish(topic, "from outside");
    await eventually("the other hears it", () => heard.includes("from outside"));
  },

  async "texts that are published together arrive, each once and as it was"({ open, topic }) {
    const [a, b] = [open(), open()];
    const heard = record(b, topic);
    a.subscribe(topic, () => {});
    await linked(a, b, topic);
    const texts = Array.from({ length: 40 }, (_, index) => `text ${index}`);
    for (const text of texts) a.publish(topic, text);
    await eventually("all arrive", () => texts.every((text) => heard.includes(text)));
    assertEquals(heard.filter((text) => !isProbe(text)).sort(), texts.sort());
  },

  async "a subscription that ended hears nothing more, and may end twice"({ open, topic }) {
    const [a, b] = [open(), open()];
    const ended: string[] = [];
    const end = b.subscribe(topic, (text) => ended.push(text));
    const staying = record(b, topic);
    await linked(a, b, topic);
    const before = ended.length;
    end();
    end();
    a.publish(topic, "after");
    await eventually("the other subscriber hears it", () => staying.includes("after"));
    assertEquals(ended.slice(before), []);
  },

  async "a topic that all have left can be subscribed to again, at once and later"({ open, topic }) {
    const [a, b] = [open(), open()];
    for (let round = 0; round < 3; round++) {
      const heard: string[] = [];
      const end = b.subscribe(topic, (text) => heard.push(text));
      if (round < 2) await linked(a, b, topic);
      end();
      const again = b.subscribe(topic, (text) => heard.push(text));
      await eventually(`round ${round} is heard`, () => {
        a.publish(topic, `round ${round}`);
        return heard.includes(`round ${round}`);
      });
      again();
    }
  },

  async "one who was told that the subscription stands hears what is published from then on"({ open, topic }) {
    const [a, b] = [open(), open()];
    await linked(a, b, topic); // Over connections that are open already, nothing waits for anything.
    for (let round = 0; round < 5; round++) {
      const name = `${topic}-${round}`;
      const heard: string[] = [];
      const stands = Promise.withResolvers<void>();
      b.subscribe(name, (text) => heard.push(text), { onReady: stands.resolve });
      await stands.promise;
      a.publish(name, "first");
      await eventually("it is heard", () => heard.includes("first"));
      let told = 0;
      b.subscribe(name, () => {}, { onReady: () => told++ });
      await eventually("the next subscriber is told as well", () => told === 1);
    }
  },

  async "a subscriber that throws costs the others nothing"({ open, topic }) {
    const [a, b] = [open(), open()];
    b.subscribe(topic, (text) => {
      if (text === "throw") throw new Error("a subscriber's own");
    });
    const heard = record(b, topic);
    await linked(a, b, topic);
    a.publish(topic, "throw");
    a.publish(topic, "next");
    await eventually("the others hear all", () => heard.includes("throw") && heard.includes("next"));
  },

  async "a subscriber may end itself and begin anew while it hears a text"({ open, topic }) {
    const bus = open();
    let calls = 0;
    let end = () => {};
    const begin = () => {
      end();
      end = bus.subscribe(topic, (text) => {
        if (text !== "again") return;
        calls++;
        begin();
      });
    };
    begin();
    await linked(bus, bus, topic);
    bus.publish(topic, "again");
    await eventually("it hears it", () => calls > 0);
    bus.publish(topic, "again");
    await eventually("it hears the next", () => calls > 1);
    assertEquals(calls, 2);
  },

  async "large texts arrive whole"({ open, topic }) {
    const [a, b] = [open(), open()];
    const heard = record(b, topic);
    a.subscribe(topic, () => {});
    await linked(a, b, topic);
    const texts = [1_000, 16_384, 65_535, 65_536, 75_000].map((length) => "0123456789".repeat(length / 10 + 1));
    for (const text of texts) a.publish(topic, text);
    a.publish(`${topic}2`, texts[0]!); // Beside it, one that nobody here subscribes to.
    await eventually("all arrive", () => texts.every((text) => heard.includes(text)));
  },

  async "any text arrives as it was"({ open, topic }) {
    const [a, b] = [open(), open()];
    const heard = record(b, topic);
    await linked(a, b, topic);
    const texts = [
      "",
      " ",
      '{"kind":"event","body":"a \\"quoted\\" line\\n"}',
      "ünïcode 🎈 👩‍👩‍👧 e\u0301 \u202e עברית",
      "\u0000 \u0001 \u001f \u007f \u2028 \u2029 \ufeff \uffff",
      "\r\n$5\r\nhello\r\n",
      "null",
      "[]",
    ];
    for (const text of texts) a.publish(topic, text);
    await eventually("all arrive", () => texts.every((text) => heard.includes(text)));
  },

  async "a topic may be that of any room, user or isolate"({ open }) {
    const [a, b] = [open(), open()];
    const topics = [
      "room:a",
      "room:A",
      `room:${"x".repeat(128)}`,
      "room:..",
      "room::-_.:",
      "room:dm:00000000-0000-4000-8000-00000000000a:00000000-0000-4000-8000-00000000000b",
      `user:${crypto.randomUUID()}`,
      "isolates",
      `processes:${crypto.randomUUID()}`,
    ];
    const heard = topics.map((topic) => record(b, topic));
    for (const topic of topics) await linked(a, b, topic);
    for (const topic of topics) a.publish(topic, `to ${topic}`);
    await eventually("each hears its own", () => topics.every((topic, i) => heard[i]!.includes(`to ${topic}`)));
    for (const [i, topic] of topics.entries()) {
      assertEquals(heard[i]!.filter((text) => !isProbe(text)), [`to ${topic}`]);
    }
  },

  async "counters tell what went through"({ open, topic }) {
    const bus = open();
    const heard = record(bus, topic);
    await linked(bus, bus, topic);
    const { published, received } = bus.counters;
    bus.publish(topic, "counted");
    await eventually("it is heard", () => heard.includes("counted"));
    assertEquals(bus.counters.published, published + 1);
    assert(bus.counters.received > received);
    assertEquals(bus.counters.dropped, 0);
  },

  async "close() may come twice, also before anything was opened, and nothing happens after it"({ open, topic }) {
    const [never, a, b] = [open(), open(), open()];
    const heard = record(b, topic);
    const end = b.subscribe(topic, () => {});
    await linked(a, b, topic);
    await Promise.all([never, b].flatMap((bus) => [bus.close(), bus.close()]));
    await b.close();
    const before = heard.length;
    end();
    b.subscribe(topic, (text) => heard.push(text))();
    b.publish(topic, "from the closed one");
    a.publish(topic, "to the closed one");
    const opening = open();
    opening.subscribe(topic, () => {});
    opening.publish(topic, "at once");
    await opening.close();
    assertEquals(heard.length, before);
  },
};

/** What a backend promises that has a server to lose. */
const SERVER_PROMISES: typeof PROMISES = {
  async "publish() never throws while the server is gone, and subscriptions hear again when it is back"(
    { open, server, topic },
  ) {
    const [a, b] = [open(), open()];
    const heard = record(b, topic);
    let told = 0;
    b.subscribe(topic, () => {}, { onReady: () => told++ });
    await linked(a, b, topic);
    assertEquals(told, 1);
    await server!.stop();
    for (let i = 0; i < 50; i++) a.publish(topic, `lost ${i}`);
    const late = record(b, `${topic}-late`);
    b.subscribe(`${topic}-gone`, () => {})();
    await server!.start();
    await linked(a, b, topic);
    a.publish(topic, "recovered");
    await eventually("it hears again", () => heard.includes("recovered"));
    assert(told > 1, "and was told that it does");
    await linked(a, b, `${topic}-late`);
    assert(late.length > 0);
    assert(a.counters.reconnects + b.counters.reconnects >= 1, "the loss was noticed");
  },
};

const PROBE = "probe:";

function isProbe(text: string): boolean {
  return text.startsWith(PROBE);
}

/** What a new subscription hears from now on. */
function record(bus: Bus, topic: string): string[] {
  const heard: string[] = [];
  bus.subscribe(topic, (text) => heard.push(text));
  return heard;
}

/** Resolves once what `from` publishes reaches `to`: a bus gives no other sign that a subscription is in force. */
async function linked(from: Bus, to: Bus, topic: string): Promise<void> {
  const probe = `${PROBE}${crypto.randomUUID()}`;
  let isHeard = false;
  const end = to.subscribe(topic, (text) => isHeard ||= text === probe);
  await eventually(`${topic} is heard`, () => {
    from.publish(topic, probe);
    return isHeard;
  }, { deadlineMs: 20_000, everyMs: 50 });
  end();
}
