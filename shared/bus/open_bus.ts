import type { Bus, BusOptions } from "./bus.ts";
import { memoryBus } from "./memory_bus.ts";
import type { BusSettings } from "./read_bus_settings.ts";
import { realtimeBus } from "./realtime_bus.ts";
import { redisBus } from "./redis_bus.ts";

/** The bus that the settings ask for. Nothing is loaded or connected to before it is used. */
export function openBus(settings: BusSettings, options: BusOptions = {}): Bus {
  switch (settings.backend) {
    case "memory":
      return memoryBus(options);
    case "redis":
      return redisBus({ ...settings, ...options });
    case "realtime":
      return realtimeBus({ ...settings, ...options });
  }
}
