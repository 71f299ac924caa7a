import { realtimeBus } from "../../shared/bus/realtime_bus.ts";
import { openProxy } from "../client/proxy.ts";
import { NO_FUNCTIONS, NO_MIGRATIONS } from "../local/fixtures/mod.ts";
import { startTestLocal } from "../support/start_local.ts";
import { testBus } from "./bus_suite.ts";

testBus({
  name: "Realtime",
  async create() {
    const local = await startTestLocal({
      functionsDir: NO_FUNCTIONS,
      migrationsDir: NO_MIGRATIONS,
      realtime: { messagesPerSecond: 10_000 },
    });
    const proxy = openProxy(local.url);
    return {
      open: () => realtimeBus({ url: proxy.url, secretKey: local.secretKey, warn() {} }),
      server: {
        stop() {
          proxy.target = undefined;
          proxy.cut();
          return Promise.resolve();
        },
        start() {
          proxy.target = local.url;
          return Promise.resolve();
        },
      },
      async close() {
        await proxy[Symbol.asyncDispose]();
        await local.close();
      },
    };
  },
});
