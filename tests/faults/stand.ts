import { FaultyDelivery } from "../../supabase/local/realtime/faulty_delivery.ts";
import { eventually } from "../support/eventually.ts";
import { withFreePort } from "../support/free_port.ts";
import { requires } from "../support/requires.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { startPostgres } from "../support/start_postgres.ts";
import { startRedis } from "../support/start_redis.ts";
import { deployChat } from "./deploy_chat.ts";
import { redisFaults } from "./redis_faults.ts";
import type { BusName, FaultKind, Patch } from "./scenario.ts";
import { openTcpProxy } from "./tcp_proxy.ts";

/** What a stand is made of. */
export interface StandOptions {
  readonly seed: number;
  readonly bus: BusName;
  readonly isolates: number;
  readonly wallClockMs: number;
  readonly patches?: readonly Patch[];
  /** More variables for the isolates. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A project with `chat` in several isolates on a real PostgreSQL, and all that can be made to go wrong with it. */
export interface Stand extends AsyncDisposable {
  readonly local: TestLocal;
  /** Where clients connect: `http://…/functions/v1/chat`. */
  readonly chatUrl: string;
  /** Puts faults on what the bus carries, or ends them. */
  faultyBus(faults?: Parameters<FaultyDelivery["set"]>[0]): void;
  /** Makes something go wrong; settles when it is over. Gives what it did, in words. */
  readonly faults: Readonly<Record<FaultKind, (pick: number) => Promise<string>>>;
}

const LONGEST_PAUSE_MS = 4_000;
/** Isolates that live longer than this do not end within most runs. */
const LONGEST_SPREAD_LIFE_MS = 60_000;
const SLOW_STORE_MS = 300;

/** Starts a stand. PostgreSQL must be installed, and Redis where that is the bus. */
export async function startStand({ seed, bus, isolates, wallClockMs, patches, env }: StandOptions): Promise<Stand> {
  await using starting = new AsyncDisposableStack();
  const postgres = starting.use(await startPostgres(requires("postgresql").path));
  const deployment = starting.use(await deployChat(patches));
  const delivery = starting.adopt(new FaultyDelivery(), (delivery) => delivery.close());
  const redis = bus === "redis" ? starting.use(await startRedis(requires("redis-server").path)) : undefined;
  const redisProxy = redis && starting.use(await openTcpProxy(Number(new URL(redis.url).port), redisFaults(delivery)));
  const client = starting.use(await openTcpProxy());
  const store = starting.use(await openTcpProxy());
  // Isolates are told an address before they start, so that the port must be known then.
  const startAt = async (port: number) => {
    const local = await startTestLocal({
      port,
      isolates,
      wallClockMs,
      databaseUrl: postgres.url,
      functionsDir: deployment.functionsDir,
      realtime: { messagesPerSecond: Infinity },
      env: {
        CHAT_BUS: bus,
        ...(redisProxy && { REDIS_URL: `redis://127.0.0.1:${redisProxy.port}` }),
        SUPABASE_URL: `http://127.0.0.1:${store.port}`,
        SUPABASE_PUBLIC_URL: `http://127.0.0.1:${port}`,
        MESSAGES_PER_SECOND: "1000",
        REALTIME_MESSAGES_PER_SECOND: "1000000", // As the Realtime of this stand has no limit.
        ...env,
      },
    });
    return [port, local] as const;
  };
  const [port, project] = await withFreePort(startAt);
  const local = starting.use(project);
  client.target = store.target = port;
  await eventually("every isolate serves", () => serving(local).length === isolates);
  await spreadBirths(local, isolates, wallClockMs);
  const running = starting.move();

  const faults: Stand["faults"] = {
    kill(pick) {
      const able = local.isolates().filter(({ state }) => state !== "booting");
      const isolate = able[Math.floor(pick * able.length)];
      if (isolate === undefined) return Promise.resolve("no isolate to kill");
      local.killIsolate(isolate.id);
      return Promise.resolve(`killed isolate ${isolate.id.slice(0, 8)}, ${(isolate.ageMs / 1000).toFixed(1)} s old`);
    },
    cut(pick) {
      client.cut(pick);
      return Promise.resolve("cut a client off");
    },
    async bus(pick) {
      if (bus === "realtime") return `cut ${local.realtime.faults.cutSockets()} connections of Realtime`;
      if (redis === undefined) return "no bus to pause";
      const pauseMs = Math.round(pick * LONGEST_PAUSE_MS);
      const { pid } = redis;
      Deno.kill(pid, "SIGSTOP");
      await delay(pauseMs);
      Deno.kill(pid, "SIGCONT");
      return `paused Redis for ${pauseMs} ms`;
    },
    async database(pick) {
      const downMs = Math.round(pick * LONGEST_PAUSE_MS / 2);
      await postgres.crash();
      await delay(downMs);
      await postgres.restart();
      return `killed PostgreSQL, and started it again after ${downMs} ms`;
    },
    async store(pick) {
      const slowMs = Math.round(pick * LONGEST_PAUSE_MS);
      store.delayMs = SLOW_STORE_MS;
      await delay(slowMs);
      store.delayMs = 0;
      return `made the store ${SLOW_STORE_MS} ms slower for ${slowMs} ms`;
    },
  };
  return {
    local,
    chatUrl: `http://127.0.0.1:${client.port}/functions/v1/chat`,
    faultyBus(faults) {
      const seeded = faults && { random: seededRandom(seed ^ 0xb05), ...faults };
      delivery.set(seeded);
      local.realtime.faults.broadcasts(seeded);
    },
    faults,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function serving(local: TestLocal) {
  return local.isolates().filter(({ state }) => state === "serving");
}

/** Isolates that were born together would retire, drain and die together, which those of a platform do not. */
async function spreadBirths(local: TestLocal, isolates: number, wallClockMs: number): Promise<void> {
  if (wallClockMs > LONGEST_SPREAD_LIFE_MS) return;
  for (const { id } of local.isolates().slice(1)) {
    await delay(wallClockMs / 2 / isolates);
    if (local.isolates().some((isolate) => isolate.id === id)) local.killIsolate(id);
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
