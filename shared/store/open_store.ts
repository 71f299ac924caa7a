import type { StoreSettings } from "./read_store_settings.ts";
import type { Store } from "./store.ts";

/** The store that the settings ask for, which alone is loaded. Nothing is connected to before it is used. */
export async function openStore(settings: StoreSettings): Promise<Store> {
  switch (settings.backend) {
    case "memory":
      return (await import("./memory_store.ts")).memoryStore();
    case "supabase":
      return (await import("./supabase_store.ts")).supabaseStore(settings);
  }
}
