import type { Bus, BusOptions } from "./bus.ts";
import type { BusSettings } from "./read_bus_settings.ts";

/** The bus that the settings ask for, which alone is loaded. Nothing is connected to before it is used. */
export async function openBus(settings: BusSettings, options: BusOptions = {}): Promise<Bus> {
  switch (settings.backend) {
    case "memory":
      return (await import("./memory_bus.ts")).memoryBus(options);
    case "redis":
      return (await import("./redis_bus.ts")).redisBus({ ...settings, ...options });
    case "realtime":
      return (await import("./realtime_bus.ts")).realtimeBus({ ...settings, ...options });
  }
}
