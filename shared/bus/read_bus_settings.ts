/** Which bus the environment asks for. */
export type BusSettings =
  | { readonly backend: "memory" }
  | { readonly backend: "redis"; readonly url: string }
  | {
    readonly backend: "realtime";
    readonly url: string;
    readonly secretKey: string;
    readonly messagesPerSecond?: number;
  };

const BACKENDS = ["memory", "redis", "realtime"];

/**
 * Which bus to use: Redis where `REDIS_URL` is set, the project's Realtime where there are its URL (`SUPABASE_URL`) and a
 * secret key, memory where not. `CHAT_BUS` has the last word. With `CHAT_STORE=memory` each isolate has rooms of its own,
 * so nothing is joined unless `CHAT_BUS` says so. Throws a `RangeError` that names the variable and quotes no address.
 */
export function readBusSettings(
  env: Readonly<Record<string, string | undefined>>,
  secretKey: string | undefined,
): BusSettings {
  const choice = env.CHAT_BUS ?? "";
  if (choice !== "" && !BACKENDS.includes(choice)) {
    throw new RangeError(`Cannot start as CHAT_BUS must be memory, redis or realtime: current value is "${choice}"`);
  }
  const { SUPABASE_URL: url } = env;
  const redisUrl = readRedisUrl(env.REDIS_URL);
  const realtime = url && secretKey
    ? { backend: "realtime", url, secretKey, ...readPace(env.REALTIME_MESSAGES_PER_SECOND) } as const
    : undefined;
  switch (choice || (env.CHAT_STORE === "memory" ? "memory" : "")) {
    case "memory":
      return { backend: "memory" };
    case "redis":
      if (redisUrl !== undefined) return { backend: "redis", url: redisUrl };
      throw new RangeError("Cannot start as CHAT_BUS=redis needs REDIS_URL");
    case "realtime":
      if (realtime !== undefined) return realtime;
      throw new RangeError("Cannot start as CHAT_BUS=realtime needs SUPABASE_URL and SUPABASE_SECRET_KEYS");
  }
  if (redisUrl !== undefined) return { backend: "redis", url: redisUrl };
  return realtime ?? { backend: "memory" };
}

function readPace(raw: string | undefined): { messagesPerSecond?: number } {
  if (!raw?.trim()) return {};
  const messagesPerSecond = Number(raw);
  if (messagesPerSecond >= 1 && messagesPerSecond < Infinity) return { messagesPerSecond };
  throw new RangeError(
    `Cannot start as REALTIME_MESSAGES_PER_SECOND must be a number >= 1: current value is "${raw}"`,
  );
}

/** The address has the password in it, so a bad one is not quoted. */
function readRedisUrl(raw: string | undefined): string | undefined {
  const url = raw?.trim();
  if (!url) return undefined;
  if (/^rediss?:\/\/./.test(url) && URL.canParse(url)) return url;
  throw new RangeError("Cannot start as REDIS_URL must be such as redis://:PASSWORD@HOST:6379, or rediss:// for TLS");
}
