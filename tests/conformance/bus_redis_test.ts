import { redisBus } from "../../shared/bus/redis_bus.ts";
import { requires } from "../support/requires.ts";
import { startRedis } from "../support/start_redis.ts";
import { testBus } from "./bus_suite.ts";

const program = requires("redis-server");

testBus({
  name: `Redis${program.suffix}`,
  ignore: program.ignore,
  async create() {
    const redis = await startRedis(program.path);
    return {
      open: () => redisBus({ url: redis.url, warn() {} }),
      server: { stop: () => redis.kill(), start: () => redis.start() },
      close: () => redis[Symbol.asyncDispose](),
    };
  },
});
