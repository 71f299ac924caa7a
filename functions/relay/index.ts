/** `relay`: pipes a socket to an upstream of an allow-list; its key stays here. See docs for `RELAY_UPSTREAMS`. */
import { createAuthenticator, readAuthSettings } from "../../shared/auth/mod.ts";
import { serveSockets } from "../../shared/connection/mod.ts";
import { Isolate } from "../../shared/isolate/isolate.ts";
import { processes } from "../../shared/process/mod.ts";
import { createRelay, readRelaySettings } from "../../shared/relay/mod.ts";

const env = Deno.env.toObject();
const { sockets, isolate, ...relay } = await readRelaySettings(env);
const authenticator = createAuthenticator(readAuthSettings(env));

Deno.serve(serveSockets(createRelay({ ...relay, authenticator }), {
  ...sockets,
  isolate: new Isolate({ id: processes.isolateId, ...isolate }),
}));
