import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { redisBus } from "../../shared/bus/redis_bus.ts";
import { outageOf } from "../../shared/bus/redis_connection.ts";
import { openProxy } from "../client/proxy.ts";
import { eventually } from "../support/eventually.ts";
import { requires } from "../support/requires.ts";
import { startRedis } from "../support/start_redis.ts";

const program = requires("redis-server");
const SECRET = "p@ss:word/of this test";

Deno.test("outageOf() names a failure by a word of its own", () => {
  const cases: [unknown, string][] = [
    [Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" }), "ECONNREFUSED"],
    [new Error("WRONGPASS invalid username-password pair"), "WRONGPASS"],
    [new Error("NOAUTH Authentication required."), "NOAUTH"],
    [new Error("Socket timeout. Expecting data, but didn't receive any in 5000ms."), "ETIMEDOUT"],
    [new TypeError(`redis://:${SECRET}@host`), "TypeError"],
    [SECRET, "unknown"],
  ];
  for (const [error, expected] of cases) assertEquals(outageOf(error), expected);
});

Deno.test("redisBus() refuses what is no address without quoting it", () => {
  const error = assertThrows(() => redisBus({ url: `redis://:${SECRET}` }), RangeError) as Error;
  assert(!`${error.message}${error.stack}`.includes("p@ss"), error.message);
});

Deno.test({
  name: `redisBus() gives its password to the server and to nobody else${program.suffix}`,
  ignore: program.ignore,
  async fn(t) {
    await using redis = await startRedis(program.path, { password: SECRET });
    const warnings: string[] = [];
    const warn = (warning: string) => warnings.push(warning);

    await t.step("the right one is let in", async () => {
      const bus = redisBus({ url: redis.url, warn });
      const heard: string[] = [];
      bus.subscribe("topic", (text) => heard.push(text));
      await eventually("it hears itself", () => {
        bus.publish("topic", "hello");
        return heard.length > 0;
      });
      await bus.close();
      assertEquals(warnings, []);
    });

    await t.step("a wrong one is named once, and nothing of it shown", async () => {
      const bus = redisBus({ url: redis.url.replace("word", "w0rd"), warn });
      bus.publish("topic", "hello");
      await eventually("it warns", () => warnings.length > 0);
      await bus.close();
      assertEquals(warnings.splice(0), ["Cannot reach Redis: WRONGPASS"]);
    });

    await t.step("a server that is gone is named once for each outage", async () => {
      const { url } = redis;
      await redis.kill();
      const bus = redisBus({ url, warn });
      const ear = redisBus({ url, warn() {} });
      const heard = new Set<string>();
      ear.subscribe("topic", (text) => heard.add(text));
      for (const outage of ["first", "second"]) {
        bus.publish("topic", "lost");
        await eventually(`it warns of the ${outage} outage`, () => warnings.length > (outage === "first" ? 0 : 1));
        await redis.start();
        await eventually("it is heard again", () => {
          bus.publish("topic", outage);
          return heard.has(outage);
        });
        if (outage === "first") await redis.kill();
      }
      await ear.close();
      await bus.close();
      assertEquals(warnings.length, 2);
      for (const warning of warnings.splice(0)) assertMatch(warning, /^Cannot reach Redis: E[A-Z]+$/);
    });
  },
});

Deno.test({
  name: `redisBus() tells once what the server refuses, and listens as soon as it may${program.suffix}`,
  ignore: program.ignore,
  async fn() {
    await using redis = await startRedis(program.path);
    const { Redis } = await import("ioredis");
    const admin = new Redis(redis.url);
    // What docs/security.md has a user be given, without the channels: Redis 7 gives a new one none.
    await admin.call("ACL", "SETUSER", "fn", "on", ">pass", "+@connection", "+@pubsub", "resetchannels");
    const warnings: string[] = [];
    const bus = redisBus({
      url: redis.url.replace("//", "//fn:pass@"),
      patienceMs: 250,
      warn: (warning) => warnings.push(warning),
    });
    const heard: string[] = [];
    let timesReady = 0;
    bus.subscribe("a", (text) => heard.push(text), { onReady: () => timesReady++ });
    bus.subscribe("b", () => {});
    bus.publish("a", "refused");
    bus.publish("a", "refused");
    await eventually("it tells of both", () => warnings.length >= 2);
    await eventually("it counts what was refused", () => bus.counters.dropped === 2);
    assertEquals(timesReady, 0);

    await admin.call("ACL", "SETUSER", "fn", "&edge-sockets:*");
    await eventually("it listens", () => timesReady === 1);
    bus.publish("a", "let in");
    await eventually("it hears itself", () => heard.length > 0);
    assertEquals(heard, ["let in"]);
    assertEquals(warnings.sort(), [
      "Redis refuses PUBLISH on edge-sockets:0:*: NOPERM",
      "Redis refuses SUBSCRIBE on edge-sockets:0:*: NOPERM",
    ]);
    await bus.close();
    await admin.quit();
  },
});

Deno.test({
  name: `redisBus() holds little for a server that does not answer, and finds another way in${program.suffix}`,
  ignore: program.ignore,
  async fn() {
    await using redis = await startRedis(program.path);
    await using proxy = openProxy(redis.url.replace("redis", "http"));
    const bus = redisBus({ url: proxy.url.replace("http", "redis"), patienceMs: 500, warn() {} });
    const heard: string[] = [];
    bus.subscribe("topic", (text) => heard.push(text));
    const isLinked = () => {
      bus.publish("topic", "probe");
      return heard.includes("probe");
    };
    await eventually("it is linked", isLinked);
    await eventually("all is answered", () => heard.length === bus.counters.published);

    proxy.freeze();
    for (let i = 0; i < 100; i++) bus.publish("topic", "x".repeat(70_000));
    assertEquals(bus.counters.dropped, 100 - Math.floor(4_000_000 / 70_105));
    await eventually("it gives that connection up", () => bus.counters.dropped === 100);
    heard.length = 0;
    await eventually("it is linked again", isLinked);
    assert(bus.counters.reconnects >= 2, `${bus.counters.reconnects}`);
    await bus.close();
  },
});

Deno.test({
  name: `redisBus() keeps the databases of one server apart${program.suffix}`,
  ignore: program.ignore,
  async fn() {
    await using redis = await startRedis(program.path);
    const [one, two] = [redisBus({ url: `${redis.url}/1` }), redisBus({ url: `${redis.url}/2` })];
    const heard: string[] = [];
    two.subscribe("topic", (text) => heard.push(text));
    await eventually("two hears itself", () => {
      one.publish("topic", "from one");
      two.publish("topic", "from two");
      return heard.length > 1;
    });
    assertEquals([...new Set(heard)], ["from two"]);
    await Promise.all([one.close(), two.close()]);
  },
});
