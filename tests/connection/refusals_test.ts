import { assert, assertEquals } from "@std/assert";
import { refuse, relayTo } from "../../shared/connection/mod.ts";
import { closeCodeFor, ERROR_CODES, type ErrorCode } from "../../shared/protocol/codes.ts";
import { openSocket } from "../support/socket.ts";
import { startKernel } from "./kernel.ts";

Deno.test("a refusal reaches the socket as error frame, close code and reason, by its status, for every error code", async () => {
  await using kernel = startKernel((_, request) => {
    const code = new URL(request.url).pathname.slice(1) as ErrorCode;
    return refuse({ code, message: `Because of ${code}` });
  });
  for (const [code, { status }] of Object.entries(ERROR_CODES)) {
    const client = await openSocket(`${kernel.socketUrl}/${code}`);
    const message = `Because of ${code}`;
    assertEquals(await client.nextJson(), { type: "error", code, message });
    assertEquals(await client.closed, { code: closeCodeFor(status), reason: `${code}: ${message}` });
  }
  await kernel.idle();
  assertEquals((await kernel.health()).counters, {
    connections_opened: 0,
    messages_in: 0,
    messages_out: 0,
    bytes_in: 0,
    handed_over: 0,
    refused: Object.fromEntries(Object.keys(ERROR_CODES).map((code) => [code, 1])),
    closed: countBy(Object.values(ERROR_CODES).map(({ status }) => closeCodeFor(status))),
  });
  const lines = kernel.lines.filter(({ event }) => event === "connection.refused");
  assertEquals(lines.map(({ code }) => code), Object.keys(ERROR_CODES));
  assertEquals(new Set(lines.map(({ request_id }) => request_id)).size, lines.length);
});

Deno.test("a refusal is close code and reason alone, or a frame with more, for a caller whose protocol has it so", async () => {
  await using kernel = startKernel(() => refuse({ code: "forbidden", message: "Not for you" }), {
    refusalFrame(request, frame) {
      if (request.url.endsWith("/other-protocol")) return undefined;
      return request.url.endsWith("/more") ? { ...frame, more: true } : frame;
    },
  });
  const other = await openSocket(`${kernel.socketUrl}/other-protocol`);
  assertEquals(await other.closed, { code: 4403, reason: "forbidden: Not for you" });
  assertEquals(other.waiting, []);
  const own = await openSocket(`${kernel.socketUrl}/own`);
  assertEquals(await own.nextJson(), { type: "error", code: "forbidden", message: "Not for you" });
  const more = await openSocket(`${kernel.socketUrl}/more`);
  assertEquals(await more.nextJson(), { type: "error", code: "forbidden", message: "Not for you", more: true });
  await kernel.idle();
});

/** Status, error code where the response names none, close code: the table of the design, and what is not in it. */
const STATUSES: [number, string, number][] = [
  [400, "bad_request", 4400],
  [401, "unauthorized", 4401],
  [402, "budget_exceeded", 4402],
  [403, "forbidden", 4403],
  [404, "not_found", 4404],
  [405, "method_not_allowed", 1008],
  [408, "heartbeat_missed", 4408],
  [409, "bad_request", 1008],
  [413, "too_large", 1009],
  [422, "unprocessable", 1008],
  [429, "rate_limited", 4429],
  [500, "internal", 1011],
  [501, "internal", 1011],
  [502, "upstream_failed", 4502],
  [503, "auth_unavailable", 1013],
  [504, "upstream_timeout", 4504],
  [599, "internal", 1011],
];

Deno.test("any response with a status of 400 or more is a refusal, of which no more is shown than its status", async () => {
  await using kernel = startKernel((_, request) => {
    const status = Number(new URL(request.url).pathname.slice(1));
    return new Response("s3cret", { status, headers: { "X-Secret": "s3cret" } });
  });
  for (const [status, code, closeCode] of STATUSES) {
    const client = await openSocket(`${kernel.socketUrl}/${status}`);
    const message = `The request was refused with status ${status}`;
    assertEquals(await client.nextJson(), { type: "error", code, message });
    assertEquals(await client.closed, { code: closeCode, reason: `${code}: ${message}` });
  }
});

Deno.test("a reason is cut to 123 bytes between characters, the error frame holds all of it", async () => {
  const message = "Größer als erlaubt, ".repeat(20);
  await using kernel = startKernel(() => refuse({ code: "forbidden", message }));
  const client = await kernel.connect();
  assertEquals((await client.nextJson()).message, message);
  const { code, reason } = await client.closed;
  const bytes = new TextEncoder().encode(reason).length;
  assertEquals(code, 4403);
  assert(`forbidden: ${message}`.startsWith(reason) && bytes <= 123 && bytes > 120, `${bytes} bytes: ${reason}`);
});

Deno.test("a problem that a handler wrote by itself is read, a broken one refuses by its status", async () => {
  const bodies: [unknown, string][] = [
    [JSON.stringify({ code: "own_code", detail: "In my own words" }), "own_code: In my own words"],
    [JSON.stringify({ detail: "Without a code" }), "forbidden: Without a code"],
    ["{not json", "forbidden: The request was refused with status 403"],
    ["null", "forbidden: The request was refused with status 403"],
    ["[]", "forbidden: The request was refused with status 403"],
    ["", "forbidden: The request was refused with status 403"],
    [JSON.stringify({ code: 7, detail: { secret: 1 } }), "forbidden: The request was refused with status 403"],
  ];
  await using kernel = startKernel((_, request) =>
    new Response(bodies[Number(new URL(request.url).pathname.slice(1))]![0] as string, {
      status: 403,
      headers: { "Content-Type": "application/problem+json; charset=utf-8" },
    })
  );
  for (const [i, [, expected]] of bodies.entries()) {
    const client = await kernel.connect(`/${i}`);
    const { code, message } = await client.nextJson();
    assertEquals(`${code}: ${message}`, expected);
    assertEquals(await client.closed, { code: 4403, reason: expected });
  }
});

Deno.test("a handler that throws, answers nonsense or relays nowhere closes 1011 and shows nothing of why", async () => {
  const answers: Record<string, () => unknown> = {
    "/throws": () => {
      throw new Error("s3cret");
    },
    "/rejects": () => Promise.reject(new Error("s3cret")),
    "/undefined": () => undefined,
    "/string": () => "s3cret",
    "/no-json": () => relay("{s3cret"),
    "/no-object": () => relay("7"),
    "/null": () => relay("null"),
    "/no-pid": () => relay("{}"),
    "/empty-pid": () => relay('{"target_pid":""}'),
    "/number-pid": () => relay('{"target_pid":7}'),
    "/empty-topic": () => relay('{"target_pid":"a.1","message_topic":""}'),
    "/bad-interval": () => relay('{"target_pid":"a.1","heartbeat_interval":"often"}'),
    "/zero-interval": () => relay('{"target_pid":"a.1","heartbeat_interval":"0s"}'),
    "/number-interval": () => relay('{"target_pid":"a.1","heartbeat_interval":30}'),
    "/array-metadata": () => relay('{"target_pid":"a.1","metadata":[]}'),
    "/null-metadata": () => relay('{"target_pid":"a.1","metadata":null}'),
  };
  const relay = (value: string) => new Response(null, { headers: { "X-WS-Relay": value } });
  await using kernel = startKernel((_, request) => answers[new URL(request.url).pathname]!() as Response);
  const message = "The request could not be handled";
  for (const path of Object.keys(answers)) {
    const client = await kernel.connect(path);
    assertEquals(await client.nextJson(), { type: "error", code: "internal", message }, path);
    assertEquals(await client.closed, { code: 1011, reason: `internal: ${message}` }, path);
  }
  assertEquals(kernel.errors.length, Object.keys(answers).length);
  await kernel.idle();
});

Deno.test("an onError that throws itself ends nothing", async () => {
  await using kernel = startKernel(() => Promise.reject(new Error("first")), {
    onError: () => {
      throw new Error("second");
    },
  });
  for (let i = 0; i < 2; i++) assertEquals((await (await kernel.connect()).closed).code, 1011);
  const failures = kernel.lines.filter(({ event }) => event === "request.failed");
  assertEquals(failures.map(({ error }) => (error as Error).message), ["second", "second"]);
});

Deno.test("a client that sends while it is being refused hears why", async () => {
  await using kernel = startKernel(({ processes }, request) =>
    new URL(request.url).pathname === "/in"
      ? relayTo(processes.spawn({}))
      : refuse({ code: "unauthorized", message: "No" })
  );
  for (let i = 0; i < 20; i++) {
    const client = await kernel.connect();
    client.send("x".repeat(i * 1_000));
    assertEquals((await client.closed).code, 4401);
  }
});

function countBy(codes: readonly number[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(codes, String)].map(([code, same]) => [code, same.length]));
}
