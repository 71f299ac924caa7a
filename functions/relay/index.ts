/** `relay`: pipes a socket to an upstream of an allow-list; its key stays here. See docs for `RELAY_UPSTREAMS`. */
import { createAuthenticator, readAuthSettings, readSecretKeys } from "../../shared/auth/mod.ts";
import { serveSockets } from "../../shared/connection/mod.ts";
import { Isolate } from "../../shared/isolate/isolate.ts";
import { processes } from "../../shared/process/mod.ts";
import {
  createRelay,
  readRelaySettings,
  refusalFrame,
  RelayMetrics,
  supabaseUpstream,
  type Upstream,
} from "../../shared/relay/mod.ts";
import { supabaseRpc } from "../../shared/store/supabase_rpc.ts";
import { log, readLogLevel } from "../../shared/telemetry/mod.ts";

const env = Deno.env.toObject();
log.level = readLogLevel(env);
log.bind({ function: "relay" });
// A file that a variable names stands beside this one, where that is not an absolute path.
const readTextFile = (path: string) => Deno.readTextFile(new URL(path, import.meta.url));
const { sockets, isolate, openAi, ...relay } = await readRelaySettings(env, { readTextFile });
const auth = readAuthSettings(env);
const authenticator = createAuthenticator(auth);
const secretKeys = readSecretKeys(env);
const upstreams = [...await withSessions(relay.upstreams), supabaseUpstream(auth)];
const metrics = new RelayMetrics();

Deno.serve(serveSockets(createRelay({ ...relay, upstreams, authenticator, metrics }), {
  ...sockets,
  metrics: () => metrics.families(),
  secretKeys,
  refusalFrame,
  isolate: new Isolate({ id: processes.isolateId, ...isolate }),
}));

/** OpenAI with its sessions; loaded only where it is set up. */
async function withSessions(upstreams: readonly Upstream[]): Promise<readonly Upstream[]> {
  if (openAi === undefined) return upstreams;
  const sessions = await import("../../shared/relay/openai/mod.ts");
  const { policy, conversation, usage, tools, limits } = openAi;
  const rpc = secretKeys[0] && supabaseRpc({ url: auth.supabaseUrl, secretKey: secretKeys[0] });
  const meter = usage &&
    new sessions.Meter({ ...usage, store: rpc ? sessions.rpcUsageStore(rpc) : sessions.memoryUsageStore() });
  const options = {
    stages: [
      sessions.policyStages(policy),
      ...meter ? [meter.createStage] : [],
      ...tools ? [sessions.toolsStages(sessions.selectTools((await import("./tools.ts")).tools, tools))] : [],
    ],
    refuse: (address: URL) => sessions.refuseModel(policy, address),
    store: rpc ? sessions.rpcSessionStore(rpc) : sessions.memorySessionStore(),
    conversation,
    limits: { ...relay.limits, ...limits },
  };
  return upstreams.map((upstream) =>
    upstream.name === "openai" ? sessions.openAiSessions(upstream, options) : upstream
  );
}
