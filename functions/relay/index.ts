/** `relay`: pipes a socket to an upstream of an allow-list; its key stays here. See docs for `RELAY_UPSTREAMS`. */
import { createAuthenticator, readAuthSettings } from "../../shared/auth/mod.ts";
import { serveSockets } from "../../shared/connection/mod.ts";
import { Isolate } from "../../shared/isolate/isolate.ts";
import { processes } from "../../shared/process/mod.ts";
import { createRelay, readRelaySettings, readsErrorFrames, supabaseUpstream } from "../../shared/relay/mod.ts";

const env = Deno.env.toObject();
const { sockets, isolate, ...relay } = await readRelaySettings(env);
const auth = readAuthSettings(env);
const authenticator = createAuthenticator(auth);
const upstreams = [...relay.upstreams, supabaseUpstream(auth)];

Deno.serve(serveSockets(createRelay({ ...relay, upstreams, authenticator }), {
  ...sockets,
  errorFrames: readsErrorFrames,
  isolate: new Isolate({ id: processes.isolateId, ...isolate }),
}));
