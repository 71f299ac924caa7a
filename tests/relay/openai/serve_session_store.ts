import { memorySessionStore } from "../../../shared/relay/openai/memory_session_store.ts";
import { memoryUsageStore } from "../../../shared/relay/openai/memory_usage_store.ts";
import type { SessionStore } from "../../../shared/relay/openai/session_store.ts";
import { serve, type Served } from "../../support/serve.ts";

/** A store that several processes share. */
export interface ServedSessionStore extends Served {
  /** The names of the functions that were called. */
  readonly calls: readonly string[];
}

/** Serves a store, and one of usage, at the addresses of the SQL functions, in the place of a project's REST API. */
export function serveSessionStore(store: SessionStore = memorySessionStore()): ServedSessionStore {
  const calls: string[] = [];
  const usage = memoryUsageStore();
  const leaseOf = ({ member, session_name, lease }: Json) => ({ userId: member, sessionId: session_name, lease });
  const functions: Record<string, (args: Json) => Promise<unknown>> = {
    async relay_claim_conversation({ member, session, holder, began_at }) {
      const claim = await store.claim({ userId: member, sessionId: session }, holder, Date.parse(began_at));
      if (typeof claim === "string") return claim;
      const { items, ...record } = claim;
      return {
        ...record,
        items: items.map(({ audioMs, ...item }) => ({ ...item, audio_ms: audioMs })),
      };
    },
    relay_save_conversation({ member, session, holder, changes }) {
      const { put, remove, pend, unpend, told, config, due, untold, ends } = changes;
      return store.save({ userId: member, sessionId: session }, holder, {
        put: put.map(({ id, place, item, audio_ms: audioMs }: Json) => ({
          id,
          place,
          item: JSON.parse(item),
          audioMs,
        })),
        remove,
        pend: pend.map(({ number, event }: Json) => ({ number, event: JSON.parse(event) })),
        unpend,
        ...told !== undefined && { told },
        ...config !== undefined && { config: JSON.parse(config) },
        ...due !== undefined && { due: JSON.parse(due) },
        ...untold !== undefined && { untold: JSON.parse(untold) },
        ...ends !== undefined && { ends: JSON.parse(ends) },
      });
    },
    async relay_remove_conversation({ member, session, holder }) {
      await store.remove({ userId: member, sessionId: session }, holder);
      return null;
    },
    relay_begin_session({ lease_ms, daily_budget, max_sessions, ...session }) {
      return usage.begin(leaseOf(session), { dailyBudget: daily_budget, maxSessions: max_sessions }, lease_ms);
    },
    relay_record_usage({ usage: rows, leases, lease_ms, daily_budget }) {
      const records = rows.map(({ user_id, session, ...row }: Json) => ({
        ...row,
        userId: user_id,
        sessionId: session,
      }));
      const batch = { usage: records, leases: leases.map(leaseOf) };
      return usage.record(batch, { dailyBudget: daily_budget, maxSessions: null }, lease_ms);
    },
    async relay_end_session(session) {
      await usage.end(leaseOf(session));
      return null;
    },
  };
  const served = serve(async (request) => {
    const name = new URL(request.url).pathname.replace("/rest/v1/rpc/", "");
    calls.push(name);
    return Response.json(await functions[name]!(await request.json()));
  });
  return { ...served, calls };
}

// What the relay sends is tried with the real functions in tests/conformance.
// deno-lint-ignore no-explicit-any
type Json = any;
