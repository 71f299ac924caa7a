import { assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { RelaySocket, type RelaySocketOptions } from "../../shared/client/relay_socket.ts";
import { HAND_OVER_FRAME } from "../../shared/protocol/relay_frames.ts";

/** A socket whose other end is the test, and whose peer says nothing by itself. */
class SilentSocket {
  static readonly all: SilentSocket[] = [];
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readyState: number = RelaySocket.CONNECTING;
  readonly sent: unknown[] = [];

  constructor(readonly url: string, readonly protocols: string[]) {
    SilentSocket.all.push(this);
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(): void {
    this.readyState = RelaySocket.CLOSING;
  }

  open(): void {
    this.readyState = RelaySocket.OPEN;
    this.onopen?.(new Event("open"));
  }

  say(data: string): void {
    this.onmessage?.(new MessageEvent("message", { data }));
  }

  drop(code: number): void {
    this.readyState = RelaySocket.CLOSED;
    this.onclose?.(new CloseEvent("close", { code }));
  }
}

/** A `RelaySocket` on silent sockets, in time that passes as the test says. */
function connect(options: Partial<RelaySocketOptions> = {}) {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const { WebSocket } = globalThis;
  SilentSocket.all.length = 0;
  globalThis.WebSocket = SilentSocket as unknown as typeof WebSocket;
  const told: string[] = [];
  let asked = 0;
  const socket = new RelaySocket("ws://relay.example/openai", [], {
    token: () => `t${++asked}`,
    reconnect: { maxAttempts: 3 },
    ...options,
  });
  for (const type of ["open", "error", "reconnecting", "reconnected", "message"]) {
    socket.addEventListener(type, () => told.push(type));
  }
  socket.addEventListener(
    "close",
    ({ code, wasClean }) => told.push(`close ${code} ${wasClean ? "clean" : "unclean"}`),
  );
  return {
    socket,
    told,
    sockets: SilentSocket.all,
    clock,
    get newest() {
      return SilentSocket.all.at(-1)!;
    },
    pass: (ms: number) => clock.tickAsync(ms),
    [Symbol.dispose]() {
      globalThis.WebSocket = WebSocket;
      clock.uninstall();
    },
  };
}

/** Connects, and lets the relay announce a hand-over. */
async function announced(options?: Partial<RelaySocketOptions>) {
  const net = connect(options);
  await net.pass(0);
  net.newest.open();
  net.newest.say("{}");
  net.newest.say(HAND_OVER_FRAME);
  return net;
}

Deno.test("RelaySocket: a relay that announces a hand-over and says no more is left, and the session goes on", async () => {
  using net = await announced();
  const [old] = net.sockets;
  assertEquals(old!.sent, [HAND_OVER_FRAME]);
  net.socket.send("meanwhile");
  await net.pass(11_999);
  old!.say("the end of a turn");
  assertEquals([net.sockets.length, net.socket.readyState], [1, RelaySocket.OPEN]);
  await net.pass(1);
  assertEquals([old!.readyState, net.socket.readyState], [RelaySocket.CLOSING, RelaySocket.OPEN]);
  await net.pass(500);
  assertEquals(net.sockets.length, 2);
  // What still comes of the one before is nobody's any more.
  old!.say("late");
  old!.drop(1006);
  net.newest.open();
  net.newest.say("{}");
  assertEquals([net.newest.sent, net.newest.protocols], [["meanwhile"], ["jwt-t2"]]);
  assertEquals(net.told, ["open", "message", "reconnecting", "message", "reconnected", "message"]);
  assertEquals(net.clock.countTimers(), 0);
});

Deno.test("RelaySocket: a hand-over that ends as announced waits for nothing", async () => {
  using net = await announced();
  net.newest.drop(1012);
  await net.pass(0);
  net.newest.open();
  net.newest.say("{}");
  assertEquals([net.sockets.length, net.told.at(-2), net.clock.countTimers()], [2, "reconnected", 0]);
});

const silences: { name: string; token?: () => Promise<string>; opens: boolean; waitMs: number }[] = [
  { name: "the token does not come", token: () => new Promise(() => {}), opens: false, waitMs: 10_000 },
  { name: "no connection comes about", opens: false, waitMs: 10_000 },
  { name: "the relay does not have the session again", opens: true, waitMs: 30_000 },
];

for (const { name, token, opens, waitMs } of silences) {
  Deno.test(`RelaySocket: a try to come back of which ${name} ends in time, and so do all of them`, async () => {
    let isFirst = true;
    const first = () => {
      const answer = isFirst || token === undefined ? "t" : token();
      isFirst = false;
      return answer;
    };
    using net = await announced({ token: first });
    net.newest.drop(1012);
    for (let tries = 1; tries <= 3; tries++) {
      // Before each is a wait of at most 2 s.
      await net.pass(2_000);
      if (token === undefined) assertEquals(net.sockets.length, 1 + tries);
      if (opens) net.newest.open();
      assertEquals(net.socket.readyState, RelaySocket.OPEN);
      await net.pass(waitMs);
    }
    assertEquals(net.told, ["open", "message", "reconnecting", "close 1006 unclean"]);
    assertEquals([net.socket.readyState, net.clock.countTimers()], [RelaySocket.CLOSED, 0]);
    assertEquals(net.sockets.every(({ readyState }) => readyState >= RelaySocket.CLOSING), true);
  });
}

Deno.test("RelaySocket: a first connection that does not come about fails in time, with or without reconnect", async () => {
  for (const reconnect of [true, false]) {
    for (const token of ["t", () => new Promise<string>(() => {})]) {
      using net = connect({ token, reconnect, connectTimeoutMs: 3_000 });
      await net.pass(2_999);
      assertEquals([net.told, net.socket.readyState], [[], RelaySocket.CONNECTING]);
      await net.pass(1);
      assertEquals(net.told, ["error", "close 1006 unclean"]);
      assertEquals([net.socket.readyState, net.clock.countTimers()], [RelaySocket.CLOSED, 0]);
    }
  }
});

Deno.test("RelaySocket: a token that comes too late opens nothing", async () => {
  const tokens: ((token: string) => void)[] = [];
  using net = connect({ token: () => new Promise((resolve) => tokens.push(resolve)) });
  await net.pass(0);
  tokens[0]!("in time");
  await net.pass(0);
  net.newest.open();
  net.newest.drop(1006);
  await net.pass(500);
  await net.pass(10_000);
  await net.pass(1_000);
  assertEquals(tokens.length, 3);
  tokens[1]!("late");
  await net.pass(0);
  assertEquals(net.sockets.length, 1);
  tokens[2]!("in time");
  await net.pass(0);
  assertEquals(net.newest.protocols, ["jwt-in time"]);
  net.socket.close();
  await net.pass(0);
  assertEquals([net.told.at(-1), net.clock.countTimers()], ["close 1000 clean", 0]);
});

Deno.test("RelaySocket: close() is the end, also where a hand-over is announced or the token is fetched just then", async () => {
  {
    using net = connect();
    await net.pass(0);
    net.newest.open();
    net.socket.close(1000);
    net.newest.say(HAND_OVER_FRAME);
    net.newest.drop(1000);
    await net.pass(60_000);
    assertEquals([net.told, net.sockets.length], [["open", "close 1000 unclean"], 1]);
  }
  using net = connect();
  net.socket.close();
  await net.pass(60_000);
  assertEquals([net.told, net.sockets.length, net.clock.countTimers()], [["error", "close 1006 unclean"], 0, 0]);
});

Deno.test("RelaySocket: who closes it on `reconnecting` sends no farewell, and leaves no timer", async () => {
  using net = connect();
  net.socket.addEventListener("reconnecting", () => net.socket.close());
  await net.pass(0);
  net.newest.open();
  net.newest.say(HAND_OVER_FRAME);
  await net.pass(60_000);
  assertEquals([net.newest.sent, net.sockets.length, net.clock.countTimers()], [[], 1, 0]);
  assertEquals(net.told, ["open", "reconnecting", "close 1000 clean"]);
});

Deno.test("RelaySocket: a response.create that a broken connection may have lost is told of, one before a hand-over is not", async () => {
  for (const isAnnounced of [false, true]) {
    using net = connect();
    const errors: string[] = [];
    net.socket.addEventListener("message", ({ data }) => {
      const { type, error } = JSON.parse(data);
      if (type === "error") errors.push(`${error.code} ${error.event_id}`);
    });
    await net.pass(0);
    net.newest.open();
    net.socket.send('{"type":"response.create","event_id":"a"}');
    net.newest.say('{"type":"response.created"}');
    net.socket.send('{"type":"response.create","event_id":"b"}');
    if (isAnnounced) net.newest.say(HAND_OVER_FRAME);
    net.newest.drop(isAnnounced ? 1012 : 1006);
    net.socket.send('{"type":"response.create","event_id":"c"}');
    await net.pass(500);
    net.newest.open();
    net.newest.say("{}");
    assertEquals(errors, isAnnounced ? [] : ["response_unconfirmed b"]);
    assertEquals(net.newest.sent, ['{"type":"response.create","event_id":"c"}']);
    net.newest.drop(1006);
    await net.pass(2_000);
    net.newest.open();
    net.newest.say("{}");
    assertEquals(errors, ["response_unconfirmed b", "response_unconfirmed c"]);
    net.socket.close();
    net.newest.drop(1000);
  }
});

Deno.test("RelaySocket: a response.create is told of where a hand-over was announced and does not end as that", async () => {
  for (const [code, isSafe] of [[1012, true], [1006, false], [1011, false], [undefined, false]] as const) {
    using net = connect();
    const errors: string[] = [];
    net.socket.addEventListener("message", ({ data }) => {
      const { error } = JSON.parse(data);
      if (error !== undefined) errors.push(`${error.code} ${error.event_id}`);
    });
    await net.pass(0);
    net.newest.open();
    net.newest.say("{}");
    net.socket.send('{"type":"response.create","event_id":"a"}');
    net.newest.say(HAND_OVER_FRAME);
    if (code === undefined) await net.pass(12_000);
    else net.newest.drop(code);
    // What the relay has is safe with it, however the tries end that follow.
    await net.pass(1_000);
    net.newest.open();
    net.newest.drop(1006);
    await net.pass(2_000);
    net.newest.open();
    net.newest.say("{}");
    assertEquals(errors, isSafe ? [] : ["response_unconfirmed a"]);
    net.socket.close();
    net.newest.drop(1000);
  }
});

Deno.test("RelaySocket: what comes before the session is shown waits, and is not sent behind a farewell", async () => {
  using net = connect();
  await net.pass(0);
  net.newest.open();
  net.socket.send("one");
  net.newest.say('{"event_id":"event_1","type":"error","error":{"code":"x"}}');
  assertEquals([net.newest.sent, net.told], [[], ["open", "message"]]);
  net.newest.say(HAND_OVER_FRAME);
  net.newest.say(CREATED);
  assertEquals(net.newest.sent, [HAND_OVER_FRAME]);
  net.newest.drop(1012);
  await net.pass(0);
  net.newest.open();
  net.newest.say('{"type":"error","code":"overloaded"}');
  assertEquals(net.newest.sent, []);
  net.newest.drop(1013);
  await net.pass(2_000);
  net.newest.open();
  net.newest.say(CREATED);
  assertEquals(net.newest.sent, ["one"]);
  assertEquals(net.told, ["open", "message", "reconnecting", "message", "reconnected", "message"]);
  net.socket.close();
  net.newest.drop(1000);
});

const CREATED = '{"type":"session.created","event_id":"event_1"}';
const UPDATED = '{"event_id":"event_2","type":"session.updated","session":{}}';

/** Connects, and is connected again so often as it tries, at most; each connection ends after `texts`, with 4502. */
async function loseEach({ maxAttempts = 2, most = 9, texts = [CREATED], lastsMs = 0 }) {
  const net = connect({ reconnect: { maxAttempts } });
  let connections = 0;
  // Before each is a wait of at most 2 s.
  for (let from = 0; from < most; from++, await net.pass(2_000)) {
    await net.pass(0);
    if (net.sockets.length === connections) break;
    connections = net.sockets.length;
    net.newest.open();
    for (const text of texts) net.newest.say(text);
    await net.pass(lastsMs);
    net.newest.drop(4502);
  }
  return Object.assign(net, { connections });
}

Deno.test("RelaySocket: sessions that are lost before they are there, each in turn, are tries in a row", async () => {
  using net = await loseEach({});
  assertEquals([net.connections, net.told.at(-1), net.clock.countTimers()], [3, "close 4502 unclean", 0]);
});

Deno.test("RelaySocket: tries count anew once a session is there, or a connection has lasted", async () => {
  for (const lived of [{ texts: [CREATED, UPDATED] }, { lastsMs: 30_000 }]) {
    using net = await loseEach({ maxAttempts: 1, most: 5, ...lived });
    assertEquals([net.connections, net.socket.readyState], [5, RelaySocket.OPEN]);
    net.socket.close();
    await net.pass(0);
  }
});
