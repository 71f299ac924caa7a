import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Bus } from "../../shared/bus/bus.ts";
import { realtimeTopic } from "../../shared/bus/realtime_message.ts";
import { realtimeBus, type RealtimeBusOptions } from "../../shared/bus/realtime_bus.ts";
import { openProxy } from "../client/proxy.ts";
import { NO_FUNCTIONS, NO_MIGRATIONS } from "../local/fixtures/mod.ts";
import { realtimeClient } from "../local/realtime_client.ts";
import { eventually } from "../support/eventually.ts";
import { signUp } from "../support/sign_up.ts";
import { startTestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";

Deno.test("realtimeBus() on a local Realtime", async (t) => {
  await using local = await startTestLocal({
    functionsDir: NO_FUNCTIONS,
    migrationsDir: NO_MIGRATIONS,
    realtime: { messagesPerSecond: 10_000, channelsPerConnection: 10 },
  });
  const { faults } = local.realtime;
  const warnings: string[] = [];
  const buses: Bus[] = [];
  const open = (options: Partial<RealtimeBusOptions> = {}) => {
    const warn = (warning: string) => warnings.push(warning);
    const { url, secretKey } = local;
    const bus = realtimeBus({ url, secretKey, warn, channelsPerConnection: 10, ...options });
    buses.push(bus);
    return bus;
  };
  const noConnections = () => eventually("all connections are gone", () => local.realtime.count().connections === 0);
  /** A step at whose end all buses are closed, and nothing of them is left at the server. */
  const step = (name: string, fn: () => void | Promise<void>) =>
    t.step(name, async () => {
      warnings.length = 0;
      try {
        await fn();
      } finally {
        await Promise.all(buses.splice(0).map((bus) => bus.close()));
      }
      await noConnections();
    });

  await step("a topic is one channel for all its subscribers, and none after the last", async () => {
    const bus = open();
    const keep = bus.subscribe("keep", () => {});
    const ends = Array.from({ length: 5 }, () => bus.subscribe("topic", () => {}));
    await eventually("both are joined", () => local.realtime.count().channels === 2);
    for (const end of ends) end();
    await eventually("one is left", () => local.realtime.count().channels === 1);
    keep();
    await noConnections();
    bus.subscribe("anew", () => {});
    await eventually("it connects anew", () => local.realtime.count().channels === 1);
  });

  await step("25 topics need three connections of ten channels, and all hear", async () => {
    const [bus, other] = [open(), open()];
    const topics = Array.from({ length: 25 }, (_, i) => `room:${i}`);
    const heard = new Set<string>();
    for (const topic of topics) bus.subscribe(topic, (text) => heard.add(text));
    await eventually("all are joined", () => local.realtime.count().channels === 25);
    assertEquals(local.realtime.count().connections, 3);
    for (const topic of topics) other.publish(topic, topic);
    await eventually("all hear", () => heard.size === 25);
  });

  for (const [name, end] of [["closes", "closeChannels"], ["fails", "failChannels"]] as const) {
    await step(`a channel that the server ${name} is joined again`, async () => {
      const [bus, other] = [open(), open()];
      const heard: string[] = [];
      bus.subscribe("topic", (text) => heard.push(text));
      bus.subscribe("keep", () => {});
      await linked(other, "topic", heard);
      assertEquals(faults[end](realtimeTopic("topic")), 1);
      heard.length = 0;
      await linked(other, "topic", heard);
    });
  }

  await step("the only channel too, and one that is left before it is joined again stays left", async () => {
    const bus = open();
    const heard: string[] = [];
    const end = bus.subscribe("topic", (text) => heard.push(text));
    await eventually("it is joined", () => local.realtime.count().channels === 1);
    faults.closeChannels(realtimeTopic("topic"));
    await eventually("it is joined again", () => bus.counters.reconnects === 1);
    const keep = bus.subscribe("keep", () => {});
    await eventually("both are joined", () => local.realtime.count().channels === 2);
    faults.closeChannels(realtimeTopic("topic"));
    end();
    bus.subscribe("last", () => {});
    await eventually("the others are joined", () => local.realtime.count().channels === 2);
    keep();
    assertEquals(bus.counters.reconnects, 1);
  });

  await step("one that is left while it waits to be joined again can be wanted again", async () => {
    const [bus, other] = [open(), open()];
    const kept: string[] = [];
    bus.subscribe("keep", (text) => kept.push(text));
    const end = bus.subscribe("topic", () => {});
    await eventually("both are joined", () => local.realtime.count().channels === 2);
    faults.closeChannels(realtimeTopic("topic"));
    await linked(other, "keep", kept); // It came over the same socket, after the close.
    end();
    const heard: string[] = [];
    bus.subscribe("topic", (text) => heard.push(text));
    await linked(other, "topic", heard);
  });

  await step("after a cut the same channels are there again, and each connection is counted once", async () => {
    const bus = open();
    for (let i = 0; i < 15; i++) bus.subscribe(`room:${i}`, () => {});
    await eventually("all are joined", () => local.realtime.count().channels === 15);
    assertEquals(faults.cutSockets(), 2);
    await eventually(
      "all are joined again",
      () => bus.counters.reconnects === 2 && local.realtime.count().channels === 15,
    );
  });

  await step("what is published in one turn is one broadcast a topic", async () => {
    await using client = realtimeClient(local, { key: local.secretKey });
    const channel = await client.join(realtimeTopic("topic"), { private: true });
    for (const subscribes of [true, false]) {
      const bus = open();
      if (subscribes) await subscribed(bus, "topic", () => {});
      const before = channel.received.length;
      for (let i = 0; i < 10; i++) bus.publish("topic", `${i}`);
      const received = await channel.broadcasts(before + 1);
      assertEquals(received[before]!.payload, { texts: Array.from({ length: 10 }, (_, i) => `${i}`) });
      await bus.close();
      assertEquals(channel.received.length, before + 1);
    }
  });

  await step("the database's hint comes out as text", async () => {
    const bus = open();
    const heard: string[] = [];
    await subscribed(bus, "room:lobby", (text) => heard.push(text));
    const hint = { room: "lobby", seq: 7, epoch: "e" };
    await local.sql("select realtime.send($1::jsonb, 'grown', 'edge-sockets:room:lobby', true)", [
      JSON.stringify(hint),
    ]);
    await eventually("it comes", () => heard.length === 1);
    const { room, seq, epoch } = JSON.parse(heard[0]!);
    assertEquals({ room, seq, epoch }, hint);
  });

  await step("a text over the limit is dropped with a warning that does not quote it", () => {
    const bus = open();
    const heard: string[] = [];
    bus.subscribe("topic", (text) => heard.push(text));
    bus.publish("topic", "secret ".repeat(40_000));
    assertEquals([heard.length, bus.counters.dropped], [1, 1]);
    assertEquals(warnings.splice(0), [
      "A text of 280000 characters on topic is over what Realtime takes, and was dropped",
    ]);
  });

  await step("a wrong key is told once, and shown nowhere", async () => {
    const bus = open({ secretKey: "sb_secret_wrong_key_of_this_test" });
    bus.subscribe("topic", () => {});
    bus.publish("elsewhere", "text");
    await eventually("it warns", () => warnings.length >= 2);
    assertEquals(bus.counters.dropped, 1);
    await bus.close();
    assertEquals(warnings.splice(0).sort(), [
      "Cannot broadcast by Realtime's REST API: status 401",
      "Lost Realtime, connecting again",
    ]);
  });

  await step("a key that may not read is told in Realtime's words", async () => {
    const bus = open({ secretKey: local.publishableKey });
    bus.subscribe("topic", () => {});
    await eventually("it warns", () => warnings.length > 0);
    await bus.close();
    assert(warnings.splice(0).join().startsWith("Cannot join Realtime: Unauthorized"));
    await noConnections();
  });

  await step("a server that falls silent costs little memory, and close() does not wait for it", async () => {
    await using proxy = openProxy(local.url);
    const bus = open({ url: proxy.url });
    bus.subscribe("topic", () => {});
    await eventually("it is joined", () => local.realtime.count().channels === 1);
    proxy.freeze();
    for (let i = 0; i < 200; i++) bus.publish("topic", "x".repeat(70_000));
    await eventually("what is too much is dropped", () => bus.counters.dropped > 0);
    await bus.close();
    faults.cutSockets();
  });
});

/** Subscribes, and resolves once the subscription stands. */
function subscribed(bus: Bus, topic: string, onText: (text: string) => void): Promise<void> {
  return within(`${topic} is joined`, new Promise((onReady) => bus.subscribe(topic, onText, { onReady })));
}

/** Resolves once what `from` publishes on `topic` is heard. */
async function linked(from: Bus, topic: string, heard: readonly string[]): Promise<void> {
  const probe = crypto.randomUUID();
  await eventually("it is heard", () => {
    from.publish(topic, probe);
    return heard.includes(probe);
  }, { everyMs: 50 });
}

Deno.test("no user hears or writes on the bus, whatever the project's policies let him do", async () => {
  await using local = await startTestLocal({ functionsDir: NO_FUNCTIONS });
  // As guides have it: any signed-in user, on any topic.
  await local.sql("create policy hear_all on realtime.messages for select to authenticated using (true)");
  await local.sql("create policy send_all on realtime.messages for insert to authenticated with check (true)");
  const { accessToken } = await signUp(local);
  await using eve = realtimeClient(local, { token: accessToken });
  const [bus, other] = [0, 1].map(() => realtimeBus({ url: local.url, secretKey: local.secretKey }));
  try {
    const topic = "room:dm:a:b";
    const heard: string[] = [];
    bus!.subscribe(topic, (text) => heard.push(text));
    await linked(other!, topic, heard);

    const own = await eve.join(topic, { private: true });
    assertEquals(own.statuses, ["SUBSCRIBED"], "the policies do let him onto topics of the project's own");
    const refused = await eve.join(realtimeTopic(topic), { private: true });
    assertStringIncludes(refused.statuses[0]!, "CHANNEL_ERROR");
    const message = { topic: realtimeTopic(topic), event: "texts", private: true, payload: { texts: ["forged"] } };
    const posted = await fetch(`${local.url}/realtime/v1/api/broadcast`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "apikey": local.publishableKey,
        "authorization": `Bearer ${accessToken}`,
      },
      body: JSON.stringify({ messages: [message] }),
    });
    await posted.body?.cancel();
    await linked(other!, topic, heard);
    assertEquals(heard.filter((text) => text === "forged"), []);
    assertEquals(refused.received, []);
  } finally {
    await Promise.all([bus, other].map((bus) => bus!.close()));
  }
});
