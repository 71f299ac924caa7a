import { assertEquals, assertThrows } from "@std/assert";
import { readSocketSettings, serveSockets, type SocketOptions } from "../../shared/connection/mod.ts";
import { resolveSocketOptions } from "../../shared/connection/socket_options.ts";

const MIB = 1024 * 1024;

Deno.test("every option has its default", () => {
  assertEquals(resolveSocketOptions(), {
    allowedOrigins: [],
    maxFrameBytes: MIB,
    messagesPerSecond: 100,
    messageBurst: 200,
    bytesPerSecond: MIB,
    byteBurst: 4 * MIB,
    maxBufferedBytes: MIB,
    maxBufferedBytesTotal: 64 * MIB,
    maxInFlightMessages: 1_000,
    maxInFlightBytes: 4 * MIB,
    maxConnections: 5_000,
    maxConnectionsPerUser: 20,
    idleTimeoutMs: 120_000,
    heartbeatIntervalMs: 0,
    maxSilenceMs: 0,
    maxLifetimeMs: 0,
  });
  assertEquals(resolveSocketOptions({ messagesPerSecond: 0.3 }).messageBurst, 1);
  assertEquals(resolveSocketOptions({ maxBufferedBytes: 100 * MIB }).maxBufferedBytesTotal, 100 * MIB);
  assertEquals(resolveSocketOptions({ bytesPerSecond: 10, maxFrameBytes: 1_000 }).byteBurst, 1_000);
});

const BAD: [SocketOptions, string][] = [
  [{ maxFrameBytes: 0 }, "'maxFrameBytes' must be a whole number >= 1: current value is 0"],
  [{ maxFrameBytes: 1.5 }, "'maxFrameBytes'"],
  [{ maxFrameBytes: NaN }, "'maxFrameBytes'"],
  [{ messagesPerSecond: 0 }, "'messagesPerSecond' must be a number > 0"],
  [{ messagesPerSecond: Infinity }, "'messagesPerSecond'"],
  [{ messageBurst: 0 }, "'messageBurst'"],
  [{ bytesPerSecond: -1 }, "'bytesPerSecond'"],
  [{ byteBurst: 0 }, "'byteBurst'"],
  [{ byteBurst: 10 }, "'byteBurst' must be at least maxFrameBytes"],
  [{ maxBufferedBytes: 0 }, "'maxBufferedBytes'"],
  [{ maxBufferedBytesTotal: 0 }, "'maxBufferedBytesTotal'"],
  [{ maxInFlightMessages: 0 }, "'maxInFlightMessages'"],
  [{ maxInFlightBytes: 0 }, "'maxInFlightBytes'"],
  [{ maxConnections: 0 }, "'maxConnections'"],
  [
    { maxConnectionsPerUser: "many" as unknown as number },
    "'maxConnectionsPerUser' must be a whole number >= 1: current value is many",
  ],
  [{ idleTimeoutMs: 999 }, "'idleTimeoutMs'"],
  [{ idleTimeoutMs: 1_500 }, "'idleTimeoutMs' must be whole seconds: current value is 1500"],
  [{ heartbeatIntervalMs: -1 }, "'heartbeatIntervalMs'"],
  [{ maxSilenceMs: -1 }, "'maxSilenceMs'"],
  [{ maxLifetimeMs: -1 }, "'maxLifetimeMs'"],
  [{ allowedOrigins: ["app.example"] }, '"app.example"'],
  [{ allowedOrigins: ["https://app.example/path"] }, '"https://app.example/path"'],
];

for (const [options, message] of BAD) {
  Deno.test(`serveSockets() refuses ${JSON.stringify(options)} at start, by name`, () => {
    assertThrows(() => serveSockets(() => new Response(), options), RangeError, message);
  });
}

Deno.test("readSocketSettings() reads every number by its variable, and the defaults stay where none is set", () => {
  const env = {
    ALLOWED_ORIGINS: "https://a.example, https://b.example",
    MAX_FRAME_BYTES: "1",
    MESSAGES_PER_SECOND: "2.5",
    MESSAGE_BURST: "3",
    BYTES_PER_SECOND: "4",
    BYTE_BURST: "5",
    MAX_BUFFERED_BYTES: "6",
    MAX_BUFFERED_BYTES_TOTAL: "66",
    MAX_CONNECTIONS: "7",
    MAX_CONNECTIONS_PER_USER: "8",
    IDLE_TIMEOUT_MS: "9000",
    HEARTBEAT_INTERVAL_MS: "10",
    MAX_SILENCE_MS: "11",
    MAX_LIFETIME_MS: "12",
    ISOLATE_WALL_CLOCK_MS: "400000",
    SB_REGION: "eu-central-1",
  };
  assertEquals(readSocketSettings(env), {
    sockets: {
      allowedOrigins: ["https://a.example", "https://b.example"],
      maxFrameBytes: 1,
      messagesPerSecond: 2.5,
      messageBurst: 3,
      bytesPerSecond: 4,
      byteBurst: 5,
      maxBufferedBytes: 6,
      maxBufferedBytesTotal: 66,
      maxConnections: 7,
      maxConnectionsPerUser: 8,
      idleTimeoutMs: 9_000,
      heartbeatIntervalMs: 10,
      maxSilenceMs: 11,
      maxLifetimeMs: 12,
    },
    isolate: { region: "eu-central-1", wallClockMs: 400_000 },
  });
  assertEquals(readSocketSettings({ MAX_FRAME_BYTES: "", MESSAGE_BURST: " " }, { maxFrameBytes: 5, messageBurst: 6 }), {
    sockets: { allowedOrigins: [], maxFrameBytes: 5, messageBurst: 6 },
    isolate: { region: null },
  });
});

Deno.test("readSocketSettings() takes the project's URL, the public one first, and leaves one that is none to Auth", () => {
  const projectUrlOf = (env: Record<string, string>) => readSocketSettings(env).sockets.projectUrl?.href;
  const SUPABASE_URL = "https://ref.supabase.co";
  assertEquals(projectUrlOf({ SUPABASE_URL }), "https://ref.supabase.co/");
  assertEquals(
    projectUrlOf({ SUPABASE_URL, SUPABASE_PUBLIC_URL: "https://api.example.com" }),
    "https://api.example.com/",
  );
  assertEquals(projectUrlOf({ SUPABASE_URL: "ref" }), undefined);
});

Deno.test("readSocketSettings() names the variable that is no number", () => {
  for (const raw of ["many", "-1", "NaN", "Infinity", "1s"]) {
    assertThrows(
      () => readSocketSettings({ MAX_CONNECTIONS: raw }),
      RangeError,
      `Cannot start as MAX_CONNECTIONS must be a number >= 0: current value is "${raw}"`,
    );
  }
});
