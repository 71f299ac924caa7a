import type { IsolatePool } from "./isolate_pool.ts";
import type { TokenResigner } from "./resign_tokens.ts";
import type { Site } from "./serve_site.ts";
import type { Realtime } from "./realtime/start_realtime.ts";
import type { Stage } from "./stage.ts";
import type { Lite } from "./start_lite.ts";

/** A function that is served. */
export interface ServedFunction {
  pool: IsolatePool;
  /** Whether the gateway asks for a valid token before a request reaches the function. */
  verifyJwt: boolean;
}

/** What the gateway stands in front of. */
export interface Backends {
  lite: Lite;
  realtime: Realtime;
  tokens: TokenResigner;
  /** The public keys of `jwks.json`. */
  jwks: { keys: unknown[] };
  /** Each function by its name. */
  functions: ReadonlyMap<string, ServedFunction>;
  site: Site;
  stage: Stage;
  /** What the page needs to know, served as `/config.json`. */
  siteConfig: unknown;
  log: (line: string) => void;
}
