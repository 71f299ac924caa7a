/** `echo`: proves that a socket, a token and a network work. See docs for `?plain`, `?time` and `?jwt=`. */
import { createAuthenticator, findToken, readAuthSettings, readSecretKeys } from "../../shared/auth/mod.ts";
import { readSocketSettings, refuse, relayTo, serveSockets } from "../../shared/connection/mod.ts";
import { Isolate } from "../../shared/isolate/isolate.ts";
import { processes, spawn } from "../../shared/process/mod.ts";
import type { EchoConnectionFrame } from "../../shared/protocol/connection_frames.ts";
import { log, readLogLevel } from "../../shared/telemetry/mod.ts";
import { echo } from "./echo.ts";

const env = Deno.env.toObject();
log.level = readLogLevel(env);
log.bind({ function: "echo" });
const settings = readSocketSettings(env);
const authenticator = createAuthenticator(readAuthSettings(env));
const isolate = new Isolate({ id: processes.isolateId, ...settings.isolate });

Deno.serve(serveSockets(async (request, { limits }) => {
  const { searchParams } = new URL(request.url);
  const auth = findToken(request) && await authenticator.authenticate(request);
  if (auth && !auth.ok) return refuse(auth.error);
  const user = auth && {
    user_id: auth.value.userId,
    name: auth.value.name,
    expires_at: new Date(auth.value.expiresAt).toISOString(),
  };
  const plain = searchParams.has("plain");
  const greeting: EchoConnectionFrame = {
    type: "connection",
    message: "connected",
    isolate: isolate.id,
    age_ms: isolate.ageMs,
    lifetime_ms: isolate.lifetimeMs,
    region: isolate.region,
    limits,
    ...user,
  };
  const target = spawn(echo({ greeting: plain ? undefined : greeting, time: searchParams.has("time") }));
  return relayTo(target, { metadata: user, controlFrames: !plain });
}, { ...settings.sockets, isolate, secretKeys: readSecretKeys(env) }));
