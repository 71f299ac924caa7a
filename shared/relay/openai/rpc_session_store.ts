import { isUuid } from "./is_uuid.ts";
import type { RpcCall } from "./rpc_call.ts";
import type { Claim, DueResponse, KeptItem, PendingEvent, SessionKey, SessionStore } from "./session_store.ts";
import type { RealtimeEvent } from "./stage.ts";

/** What the database gives: JSON as it was stored. */
interface ClaimedRow {
  readonly config: Readonly<Record<string, unknown>> | null;
  readonly due: readonly DueResponse[];
  readonly untold: readonly string[];
  readonly ends: readonly RealtimeEvent[];
  readonly told: boolean;
  readonly pending: readonly PendingEvent[];
  readonly items: readonly (Omit<KeptItem, "audioMs"> & { readonly audio_ms: number })[];
}

type Refused = Extract<Claim, string>;

/** Conversations in the project's database, by the SQL functions of `supabase/migrations`, whatever carries the calls to them. */
export function rpcSessionStore(call: RpcCall): SessionStore {
  const argsOf = ({ userId, sessionId }: SessionKey, owner: string) => ({
    member: userId,
    session: sessionId,
    holder: owner,
  });
  return {
    async claim(key, owner, beganAt) {
      if (!isUuid(key.userId)) return "forbidden";
      const began = beganAt === undefined ? {} : { began_at: new Date(beganAt).toISOString() };
      const row = await call("relay_claim_conversation", { ...argsOf(key, owner), ...began }) as ClaimedRow | Refused;
      if (typeof row === "string") return row;
      const items = row.items.map(({ audio_ms: audioMs, ...item }) => ({ ...item, audioMs }));
      return { ...row, items };
    },
    async save(key, owner, { put = [], remove = [], pend = [], unpend = [], config, due, untold, ends, told }) {
      const changes = {
        put: put.map(asRow),
        remove,
        pend: pend.map(({ number, event }) => ({ number, event: JSON.stringify(event) })),
        unpend,
        // As texts: jsonb, which the call is made of, does not hold all that JSON may.
        ...config !== undefined && { config: jsonOrNull(config) },
        ...due !== undefined && { due: JSON.stringify(due) },
        ...untold !== undefined && { untold: JSON.stringify(untold) },
        ...ends !== undefined && { ends: JSON.stringify(ends) },
        ...told !== undefined && { told },
      };
      return await call("relay_save_conversation", { ...argsOf(key, owner), changes }) as boolean;
    },
    async remove(key, owner) {
      await call("relay_remove_conversation", argsOf(key, owner));
    },
  };
}

function asRow({ id, place, item, audioMs }: KeptItem) {
  return { id, place, item: jsonOrNull(item), role: item?.role ?? null, audio_ms: audioMs };
}

function jsonOrNull(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}
