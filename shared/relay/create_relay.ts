import type { Authenticator, Identity } from "../auth/mod.ts";
import { refuse, relayTo, type SocketHandler } from "../connection/mod.ts";
import { type Processes, processes as defaultProcesses } from "../process/mod.ts";
import { log } from "../telemetry/log.ts";
import { requestId } from "../telemetry/request_id.ts";
import { findRelayToken } from "./find_relay_token.ts";
import { Pipe, type PipeLimits } from "./pipe.ts";
import { RelayMetrics } from "./relay_metrics.ts";
import type { Upstream } from "./upstream.ts";

/** What the relay is made of. */
export interface RelayOptions {
  /** Who may use it. */
  readonly authenticator: Authenticator;
  /** Where to. */
  readonly upstreams: readonly Upstream[];
  /** What to set for an upstream that is known but not set up, by its name. */
  readonly missing?: Readonly<Record<string, string>>;
  /** The bounds of each pipe. */
  readonly limits?: Partial<PipeLimits>;
  /** Where the pipes live; default this isolate's own table. It must be that of `serveSockets`. */
  readonly processes?: Processes;
  /** What its pipes do is counted here. */
  readonly metrics?: RelayMetrics;
  /** Hears of an upstream that failed, in a line without secrets; default a line of the log. */
  readonly onFailure?: (line: string) => void;
}

/**
 * The handler of `/FUNCTION/NAME?jwt=…`: who has a valid token is piped to the upstream of that name. Refuses with
 * `unauthorized` and its kin before it says anything of names, then with `upstream_not_found`.
 */
export function createRelay(options: RelayOptions): SocketHandler {
  const { authenticator, missing = {}, limits, processes = defaultProcesses, metrics = new RelayMetrics() } = options;
  const upstreams = new Map(options.upstreams.map((upstream) => [upstream.name, upstream]));

  return async (request, { isolate, buffers, refusalFor }) => {
    const token = findRelayToken(request);
    const identity = token === undefined
      ? await authenticator.authenticate(request)
      : await authenticator.verify(token);
    if (!identity.ok) return refuse(identity.error);
    const refusal = refusalFor(identity.value.userId);
    if (refusal !== undefined) return refusal;

    const { pathname, searchParams } = new URL(request.url);
    const [, name = "", path = ""] = /^\/[^/]+\/([^/]+)(\/.*)?$/.exec(pathname) ?? [];
    const upstream = upstreams.get(name);
    const address = upstream?.address(path, searchParams);
    if (!upstream || !address) {
      return refuse({ code: "upstream_not_found", message: notFound(name, upstream, missing) });
    }

    const client = {
      userId: identity.value.userId,
      query: searchParams,
      address,
      buffers,
      waitUntil: (promise: Promise<unknown>) => isolate.waitUntil(promise),
    };
    const intercepted = upstream.intercept?.(client);
    if (intercepted?.ok === false) return refuse(intercepted.error);
    const interceptor = intercepted?.value;

    const onFailure = options.onFailure ?? ((message) => {
      log.error("upstream.failed", { request_id: requestId(request), upstream: name, message });
    });
    const counters = metrics.of(name);
    const pipe = new Pipe({ upstream, address, processes, interceptor, limits, buffers, counters, onFailure });
    return relayTo(processes.spawn(pipe, { onExit: () => pipe.dispose() }), {
      metadata: metadataOf(identity.value),
      controlFrames: false,
      handsOver: interceptor !== undefined,
      protocol: commonProtocol(request.headers.get("sec-websocket-protocol"), upstream.protocols),
    });
  };
}

function notFound(name: string, upstream: Upstream | undefined, missing: Readonly<Record<string, string>>): string {
  if (upstream !== undefined) return `There is nothing at this path of the upstream "${upstream.name}"`;
  if (Object.hasOwn(missing, name)) return `The upstream "${name}" is not set up: ${missing[name]}`;
  return "There is no upstream of this name";
}

function metadataOf({ userId, expiresAt }: Identity): Record<string, string> {
  return { user_id: userId, expires_at: new Date(expiresAt).toISOString() };
}

/** The first that is offered and that the upstream is dialled with; none leaves the choice to the connection. */
function commonProtocol(offered: string | null, protocols: readonly string[]): string | undefined {
  return offered?.split(", ").find((protocol) => protocols.includes(protocol));
}
