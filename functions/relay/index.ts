/** `relay`: pipes a socket to an upstream of an allow-list; its key stays here. See docs for `RELAY_UPSTREAMS`. */
import { createAuthenticator, readAuthSettings, readSecretKeys } from "../../shared/auth/mod.ts";
import { serveSockets } from "../../shared/connection/mod.ts";
import { Isolate } from "../../shared/isolate/isolate.ts";
import { processes } from "../../shared/process/mod.ts";
import {
  createRelay,
  readRelaySettings,
  readsErrorFrames,
  RelayMetrics,
  supabaseUpstream,
} from "../../shared/relay/mod.ts";
import { log, readLogLevel } from "../../shared/telemetry/mod.ts";

const env = Deno.env.toObject();
log.level = readLogLevel(env);
log.bind({ function: "relay" });
const { sockets, isolate, ...relay } = await readRelaySettings(env);
const auth = readAuthSettings(env);
const authenticator = createAuthenticator(auth);
const upstreams = [...relay.upstreams, supabaseUpstream(auth)];
const metrics = new RelayMetrics();

Deno.serve(serveSockets(createRelay({ ...relay, upstreams, authenticator, metrics }), {
  ...sockets,
  metrics: () => metrics.families(),
  secretKeys: readSecretKeys(env),
  errorFrames: readsErrorFrames,
  isolate: new Isolate({ id: processes.isolateId, ...isolate }),
}));
