import { createAuthenticator } from "../../shared/auth/mod.ts";
import type { ServeOptions } from "../../shared/connection/mod.ts";
import { createRelay, type RelayOptions } from "../../shared/relay/create_relay.ts";
import type { Interceptor } from "../../shared/relay/interceptor.ts";
import { defineUpstream, type UpstreamDefinition } from "../../shared/relay/upstream.ts";
import { ok } from "../../shared/protocol/result.ts";
import { claimsOf, makeKey, sign } from "../auth/tokens.ts";
import { type Kernel, startKernel } from "../connection/kernel.ts";
import type { SocketOpening, TestSocket } from "../support/socket.ts";

const PROJECT = "http://127.0.0.1:9";
const key = await makeKey("ES256", "relay-test");
const authenticator = createAuthenticator({
  supabaseUrl: PROJECT,
  apiKey: "sb_publishable_test",
  jwks: { keys: [key.publicJwk] },
});

/** Signs a user's token for the relays of these tests. */
export function signToken(changes: Record<string, unknown> = {}): Promise<string> {
  return sign(key, claimsOf(PROJECT, Date.now(), changes));
}

/** A token of a user for an hour. */
export const TOKEN = await signToken();

/** A relay on a kernel of its own. */
export interface TestRelay extends Omit<Kernel, "connect"> {
  /** What it wrote for its operator. */
  readonly failures: readonly string[];
  /** A client with a valid token at `/relay` + `path`. */
  connect(path?: string, opening?: SocketOpening): Promise<TestSocket>;
  /** The address of a client with a valid token at `/relay` + `path`. */
  address(path?: string): string;
}

/** What differs from the defaults. */
export interface TestRelayOptions extends Pick<RelayOptions, "limits" | "metrics" | "missing"> {
  readonly sockets?: ServeOptions;
  /** What stands in the pipe of a client; default nothing. */
  readonly intercept?: () => Interceptor;
}

/** Starts a relay to upstreams; one without a name is called `up`. */
export function startRelay(
  upstreams: readonly (Omit<UpstreamDefinition, "name"> & { name?: string })[],
  { sockets, intercept, ...options }: TestRelayOptions = {},
): TestRelay {
  const failures: string[] = [];
  let handler: ReturnType<typeof createRelay> | undefined;
  const kernel = startKernel(({ processes }, request, context) => {
    handler ??= createRelay({
      ...options,
      authenticator,
      processes,
      upstreams: upstreams.map((definition) => ({
        ...defineUpstream({ name: "up", ...definition }),
        ...intercept && { intercept: () => ok(intercept()) },
      })),
      onFailure: (line) => failures.push(line),
    });
    return handler(request, context);
  }, { messageBurst: 100_000, byteBurst: 64 * 1024 * 1024, ...sockets });
  const address = (path = "/up") => `/relay${path}${path.includes("?") ? "&" : "?"}jwt=${TOKEN}`;
  return {
    ...kernel,
    failures,
    address,
    connect: (path, opening) => kernel.connect(address(path), opening),
  };
}
