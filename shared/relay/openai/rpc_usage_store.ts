import { isUuid } from "./is_uuid.ts";
import type { RpcCall } from "./rpc_call.ts";
import { TOKEN_KINDS } from "./usage.ts";
import type { Admission, SessionLease, UsageLimits, UsageRecord, UsageStore } from "./usage_store.ts";

/** Usage in the project's database, by the SQL functions of `supabase/migrations`, whatever carries the calls to them. */
export function rpcUsageStore(call: RpcCall): UsageStore {
  return {
    async begin(session, limits, leaseMs) {
      if (!isUuid(session.userId)) return "forbidden";
      const args = { ...leaseArgs(session), ...limitArgs(limits), lease_ms: leaseMs };
      return await call("relay_begin_session", args) as Admission;
    },
    async record({ usage, leases }, { dailyBudget }, leaseMs) {
      const args = {
        usage: usage.map(asRow),
        leases: leases.map(leaseArgs),
        lease_ms: leaseMs,
        daily_budget: dailyBudget,
      };
      return await call("relay_record_usage", args) as string[];
    },
    async end(session) {
      await call("relay_end_session", leaseArgs(session));
    },
  };
}

function leaseArgs({ userId, sessionId, lease }: SessionLease) {
  return { member: userId, session_name: sessionId, lease };
}

function limitArgs({ dailyBudget, maxSessions }: UsageLimits) {
  return { daily_budget: dailyBudget, max_sessions: maxSessions };
}

function asRow(record: UsageRecord) {
  const { id, userId, sessionId, kind, subject, model, seconds, cost } = record;
  const tokens = Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, record[kind]]));
  return { id, user_id: userId, session: sessionId, kind, subject, model, seconds, cost, ...tokens };
}
