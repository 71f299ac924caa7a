import { assertEquals } from "@std/assert";
import { ERROR_CODES, type ErrorCode } from "../../shared/protocol/codes.ts";
import { type SignedUp, signUp } from "../support/sign_up.ts";
import { openSocket, type TestSocket } from "../support/socket.ts";
import { requires } from "../support/requires.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { startPostgres } from "../support/start_postgres.ts";
import { assertHeld } from "./held_table.ts";

const postgresql = requires("postgresql");

const ROLES = ["nobody", "outsider", "removed", "member", "moderator", "owner"] as const;
type Role = (typeof ROLES)[number];
type Kind = "public" | "private" | "dm";

/** Whom the table asks about: each stands for a column. */
const COLUMNS: readonly (readonly [Role, Kind])[] = [
  ["nobody", "public"],
  ["outsider", "public"],
  ["outsider", "private"],
  ["outsider", "dm"],
  ["removed", "private"],
  ["member", "public"],
  ["member", "private"],
  ["member", "dm"],
  ["moderator", "private"],
  ["owner", "private"],
];

/** A room of a test's own, with someone's message in it, and the one who tries. */
interface Place {
  readonly room: string;
  readonly role: Role;
  /** A message of the one who tries, where he is or was a member. */
  readonly own: string;
  /** A message of another member. */
  readonly others: string;
  readonly other: SignedUp;
  readonly stranger: SignedUp;
  readonly caller: Caller;
}

/** How someone reaches the project. */
interface Caller {
  readonly userId: string;
  /** Asks over an inbox connection: `yes`, or the status of the error code. */
  ask(frame: Record<string, unknown>): Promise<string>;
  /** Opens a connection: `yes`, or the status of the error code that it was refused with. */
  connect(query: string): Promise<string>;
  /** Asks the REST API: `yes`, `nothing` where no row came or was changed, or the status. */
  rest(method: string, path: string, body?: unknown): Promise<string>;
}

/** What is tried, in the words of the table. */
const ACTIONS: Readonly<Record<string, (place: Place) => Promise<string>>> = {
  "socket: connect to the room": ({ caller, room }) => caller.connect(`room=${room}`),
  "socket: connect to it raw": ({ caller, room }) => caller.connect(`room=${room}&format=raw`),
  "socket: `join`": ({ caller, room }) => caller.ask({ type: "join", room }),
  "socket: `chat`": ({ caller, room }) => caller.ask({ type: "chat", room, body: "x" }),
  "socket: `chat`, in reply": ({ caller, room, others }) =>
    caller.ask({ type: "chat", room, body: "x", reply_to: others }),
  "socket: `edit` one's own": ({ caller, own }) => caller.ask({ type: "edit", message_id: own, body: "y" }),
  "socket: `edit` another's": ({ caller, others }) => caller.ask({ type: "edit", message_id: others, body: "y" }),
  "socket: `delete` one's own": ({ caller, own }) => caller.ask({ type: "delete", message_id: own }),
  "socket: `delete` another's": ({ caller, others }) => caller.ask({ type: "delete", message_id: others }),
  "socket: `react`": ({ caller, others }) => caller.ask({ type: "react", message_id: others, emoji: "👍" }),
  "socket: `mark_read`": ({ caller, others }) => caller.ask({ type: "mark_read", message_id: others }),
  "socket: `history`": ({ caller, room }) => caller.ask({ type: "history", room }),
  "socket: `get_unread_count`": ({ caller, room }) => caller.ask({ type: "get_unread_count", room }),
  "socket: `typing`, without `join`": ({ caller, room }) => caller.ask({ type: "typing", room }),
  "socket: `signal`, without `join`": ({ caller, room }) => caller.ask({ type: "signal", room, data: 1 }),
  "socket: `join`, then `signal`": async ({ caller, room }) => {
    const joined = await caller.ask({ type: "join", room });
    return joined === "yes" ? await caller.ask({ type: "signal", room, data: 1 }) : joined;
  },
  "socket: `dm` to a member": ({ caller, other }) => caller.ask({ type: "dm", to: other.userId, body: "x" }),
  "REST: read the room": ({ caller, room }) => caller.rest("GET", `rooms?id=eq.${room}`),
  "REST: read its members": ({ caller, room }) => caller.rest("GET", `room_members?room_id=eq.${room}`),
  "REST: read its messages": ({ caller, room }) => caller.rest("GET", `messages?room_id=eq.${room}`),
  "REST: read reactions": ({ caller, others }) => caller.rest("GET", `reactions?message_id=eq.${others}`),
  "REST: read its log": ({ caller, room }) => caller.rest("GET", `room_events?room_id=eq.${room}`),
  "REST: insert a message": ({ caller, room }) =>
    caller.rest("POST", "messages", { room_id: room, sender_id: caller.userId, body: "x" }),
  "REST: change a message": ({ caller, own }) => caller.rest("PATCH", `messages?id=eq.${own}`, { body: "y" }),
  "REST: delete a message": ({ caller, own }) => caller.rest("DELETE", `messages?id=eq.${own}`),
  "REST: make oneself a member": ({ caller, room }) =>
    caller.rest("POST", "room_members", { room_id: room, user_id: caller.userId, role: "owner" }),
  "REST: give oneself a role": ({ caller, room }) =>
    caller.rest("PATCH", `room_members?room_id=eq.${room}&user_id=eq.${caller.userId}`, { role: "owner" }),
  "REST: change the room": ({ caller, room }) => caller.rest("PATCH", `rooms?id=eq.${room}`, { kind: "public" }),
  "REST: delete the room": ({ caller, room }) => caller.rest("DELETE", `rooms?id=eq.${room}`),
  "rpc: `send_message`": ({ caller, room }) => caller.rest("POST", "rpc/send_message", { room, body: "x" }),
  "rpc: `mark_read`": ({ caller, room }) => caller.rest("POST", "rpc/mark_read", { room, seq: 1 }),
  "rpc: `add_member`": ({ caller, room, stranger }) =>
    caller.rest("POST", "rpc/add_member", { room, user_id: stranger.userId }),
  "rpc: `add_member` as moderator": ({ caller, room, stranger }) =>
    caller.rest("POST", "rpc/add_member", { room, user_id: stranger.userId, role: "moderator" }),
  "rpc: `add_member`: oneself as owner": ({ caller, room }) =>
    caller.rest("POST", "rpc/add_member", { room, user_id: caller.userId, role: "owner" }),
  "rpc: `remove_member`: a member": ({ caller, room, other }) =>
    caller.rest("POST", "rpc/remove_member", { room, user_id: other.userId }),
  "rpc: `remove_member`: oneself": ({ caller, room }) =>
    caller.rest("POST", "rpc/remove_member", { room, user_id: caller.userId }),
  "rpc: `create_room` of the same id": ({ caller, room }) =>
    caller.rest("POST", "rpc/create_room", { kind: "public", id: room }),
  "rpc: `create_room` of another id": ({ caller }) =>
    caller.rest("POST", "rpc/create_room", { kind: "public", id: `new-${crypto.randomUUID()}` }),
  "rpc: `open_direct` with a member": ({ caller, other }) =>
    caller.rest("POST", "rpc/open_direct", { user_id: other.userId }),
  "rpc: `unread_counts`": ({ caller }) => caller.rest("POST", "rpc/unread_counts", {}),
  "rpc: `chat_history` as a member": ({ caller, room, other }) =>
    caller.rest("POST", "rpc/chat_history", { reader: other.userId, room, before: null, page: 9 }),
  "rpc: `chat_events_since`": ({ caller, room }) =>
    caller.rest("POST", "rpc/chat_events_since", { room, since: 0, page: 9 }),
  "rpc: `chat_post` as a member": ({ caller, room, other }) =>
    caller.rest("POST", "rpc/chat_post", {
      writes: [{ kind: "message", actor: { id: other.userId }, room, body: "x" }],
    }),
  "rpc: `trim_room_log`": ({ caller, room }) => caller.rest("POST", "rpc/trim_room_log", { room, keep: 0 }),
};

Deno.test("who may do what, over sockets, tables and functions, is what docs/security.md says", async () => {
  // Several times as fast as PGlite, where it is there.
  await using postgres = postgresql.ignore ? undefined : await startPostgres(postgresql.path);
  await using local = await startTestLocal({
    ...postgres && { databaseUrl: postgres.url },
    // What is written in this haste is more than the free plan carries.
    realtime: { messagesPerSecond: 10_000 },
  });
  const users = new Map<Role, SignedUp>();
  for (const role of ROLES.slice(1)) users.set(role, await signUp(local, role));
  const [other, stranger] = [await signUp(local, "other"), await signUp(local, "stranger")];
  await using callers = await openCallers(local, users);
  // One after the other for each role, as its answers come over one connection; the roles beside each other.
  const cells = new Map<string, string>();
  await Promise.all(ROLES.map(async (role) => {
    const caller = callers.of(role);
    for (const [action, attempt] of Object.entries(ACTIONS)) {
      for (const [, kind] of COLUMNS.filter(([column]) => column === role)) {
        const place = await makePlace(local, role, kind, caller, other, stranger);
        cells.set(`${action} ${role} ${kind}`, await attempt(place));
      }
    }
  }));
  const rows = Object.keys(ACTIONS).map((action) => [
    action,
    ...COLUMNS.map(([role, kind]) => cells.get(`${action} ${role} ${kind}`)!),
  ]);
  await assertHeld({
    name: "who-may",
    columns: ["", ...COLUMNS.map(([role, kind]) => role === "nobody" ? "nobody" : `${role}, ${kind}`)],
    rows,
  });
  assertEquals(local.logged.filter((line) => /"level":"(warn|error)"|eyJ[\w-]+\./.test(line)), []);
});

/** A new room for each attempt, so that none finds what another left. One in which the caller is what his column says. */
async function makePlace(
  local: TestLocal,
  role: Role,
  kind: Kind,
  caller: Caller,
  other: SignedUp,
  stranger: SignedUp,
): Promise<Place> {
  const isDirect = kind === "dm";
  const someone = isDirect && role === "outsider" ? stranger.userId : caller.userId;
  const room = isDirect
    ? `dm:${[someone, other.userId].sort().join(":")}:${crypto.randomUUID()}`.slice(0, 128)
    : `${kind}-${crypto.randomUUID()}`;
  const isMember = role === "member" || role === "moderator" || role === "owner";
  const members = [[other.userId, "member"], ...(isMember ? [[caller.userId, role]] : [])];
  await local.sql("insert into rooms (id, kind) values ($1, $2)", [room, kind]);
  await local.sql(
    `insert into room_members (room_id, user_id, role) select $1, m[1]::uuid, m[2] from unnest($2::text[]) as u, string_to_array(u, ' ') as m`,
    [room, `{${members.map((member) => `"${member.join(" ")}"`)}}`],
  );
  const [own, others] = await local.sql<{ id: string }>(
    "insert into messages (room_id, sender_id, body) values ($1, $2, 'mine'), ($1, $3, 'theirs') returning id",
    [room, caller.userId, other.userId],
  );
  await local.sql("insert into reactions (message_id, emoji, user_id) values ($1, 'x', $2)", [
    others!.id,
    other.userId,
  ]);
  return { room, role, own: own!.id, others: others!.id, other, stranger, caller };
}

async function openCallers(local: TestLocal, users: ReadonlyMap<Role, SignedUp>) {
  const callers = new Map<Role, Caller>();
  const inboxes: TestSocket[] = [];
  const nobody = crypto.randomUUID();
  callers.set("nobody", {
    userId: nobody,
    ask: () => connectWith(local, local.anonKey, ""),
    connect: (query) => connectWith(local, local.anonKey, query),
    rest: (method, path, body) => rest(local, local.anonKey, method, path, body),
  });
  for (const [role, { userId, accessToken }] of users) {
    const inbox = await openSocket(local.socketUrl(`chat?jwt=${accessToken}`));
    inboxes.push(inbox);
    callers.set(role, {
      userId,
      ask: (frame) => askOver(inbox, frame),
      connect: (query) => connectWith(local, accessToken, query),
      rest: (method, path, body) => rest(local, accessToken, method, path, body),
    });
  }
  return {
    of: (role: Role) => callers.get(role)!,
    async [Symbol.asyncDispose]() {
      for (const inbox of inboxes) await inbox.close();
    },
  };
}

async function askOver(inbox: TestSocket, frame: Record<string, unknown>): Promise<string> {
  const ref = crypto.randomUUID();
  inbox.sendJson({ ...frame, ref });
  // What has no answer of its own is answered by nothing before the ping is.
  inbox.sendJson({ type: "ping", ref: `${ref}.` });
  const hasAnswer = frame.type !== "typing" && frame.type !== "signal";
  for (;;) {
    const answer = await inbox.nextJson();
    if (answer.ref === `${ref}.` && !hasAnswer) return "yes";
    if (answer.ref === ref) return answer.type === "error" ? statusOf(answer.code) : "yes";
  }
}

async function connectWith(local: TestLocal, token: string, query: string): Promise<string> {
  const socket = await openSocket(local.socketUrl(`chat?${query}&jwt=${token}`));
  // A raw connection is not greeted: what is told it first is why it is refused.
  if (query.includes("raw")) socket.send("x");
  const first = await Promise.race([
    socket.next().then(String),
    new Promise<string>((done) => setTimeout(done, 300, "")),
  ]);
  const frame = first.startsWith("{") ? JSON.parse(first) : {};
  await socket.close();
  return frame.type === "error" ? statusOf(frame.code) : "yes";
}

function statusOf(code: unknown): string {
  return String(ERROR_CODES[code as ErrorCode].status);
}

async function rest(local: TestLocal, token: string, method: string, path: string, body?: unknown): Promise<string> {
  const response = await fetch(`${local.url}/rest/v1/${path}`, {
    method,
    headers: {
      apikey: local.publishableKey,
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/json",
      Prefer: "return=representation",
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) return String(response.status);
  return text === "[]" && !path.startsWith("rpc/") ? "nothing" : "yes";
}
