import { assertEquals } from "@std/assert";
import { ERROR_CODES, type ErrorCode } from "../../shared/protocol/codes.ts";
import { type SignedUp, signUp } from "../support/sign_up.ts";
import { openSocket, type TestSocket } from "../support/socket.ts";
import { requires } from "../support/requires.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { startPostgres } from "../support/start_postgres.ts";
import { assertHeld } from "../support/held_table.ts";

const postgresql = requires("postgresql");

const ROLES = ["nobody", "outsider", "removed", "member", "moderator", "owner"] as const;
type Role = (typeof ROLES)[number];
type Kind = "public" | "private" | "dm";

/** Whom the table asks about: each stands for a column. Nobody is removed from a direct room, and it has members only. */
const COLUMNS: readonly (readonly [Role, Kind])[] = ROLES.flatMap((role) => {
  const isInDirect = role === "nobody" || role === "outsider" || role === "member";
  const kinds: Kind[] = ["public", "private", ...isInDirect ? ["dm"] as const : []];
  return kinds.map((kind) => [role, kind] as const);
});

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
  /** The name of a conversation through the relay that the one who tries has, and another too. */
  readonly session: string;
}

/** How someone reaches the project. */
interface Caller {
  readonly userId: string;
  /** Asks over an inbox connection: `yes`, or the status of the error code. */
  ask(frame: Record<string, unknown>): Promise<string>;
  /** Opens a connection: `yes`, or the status of the error code that it was refused with. */
  connect(query: string): Promise<string>;
  /** Asks a function by HTTP, with its token where a server has the secret key: `yes`, or the status. */
  post(path: string, body: unknown): Promise<string>;
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
  "HTTP: `POST /messages` to the room": ({ caller, room }) => caller.post("chat/messages", { room, body: "x" }),
  "HTTP: `POST /messages` to a member": ({ caller, other }) =>
    caller.post("chat/messages", { user: other.userId, body: "x" }),
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
  "relay: read one's own use": ({ caller }) => caller.rest("GET", `relay_usage?user_id=eq.${caller.userId}`),
  "relay: read another's use": ({ caller, other }) => caller.rest("GET", `relay_usage?user_id=eq.${other.userId}`),
  "relay: change one's own use": ({ caller }) =>
    caller.rest("PATCH", `relay_usage?user_id=eq.${caller.userId}`, { cost: 0 }),
  "relay: delete one's own use": ({ caller }) => caller.rest("DELETE", `relay_usage?user_id=eq.${caller.userId}`),
  "relay: read one's own days": ({ caller }) => caller.rest("GET", `relay_usage_days?user_id=eq.${caller.userId}`),
  "relay: read another's days": ({ caller, other }) =>
    caller.rest("GET", `relay_usage_days?user_id=eq.${other.userId}`),
  "relay: read one's own budget": ({ caller }) => caller.rest("GET", `relay_budgets?user_id=eq.${caller.userId}`),
  "relay: read another's budget": ({ caller, other }) => caller.rest("GET", `relay_budgets?user_id=eq.${other.userId}`),
  "relay: change one's own budget": ({ caller }) =>
    caller.rest("PATCH", `relay_budgets?user_id=eq.${caller.userId}`, { daily_budget: null }),
  "relay: read one's own conversation": ({ caller, session }) =>
    caller.rest("GET", ofConversation("relay_conversations", caller, session)),
  "relay: read its configuration": ({ caller, session }) =>
    caller.rest("GET", ofConversation("relay_conversations", caller, session, "config")),
  "relay: read another's conversation": ({ caller, other, session }) =>
    caller.rest("GET", ofConversation("relay_conversations", other, session)),
  "relay: read the words of one's own": ({ caller, session }) =>
    caller.rest("GET", ofConversation("relay_conversation_items", caller, session)),
  "relay: read the words of another's": ({ caller, other, session }) =>
    caller.rest("GET", ofConversation("relay_conversation_items", other, session)),
  "relay: read what waits in one's own": ({ caller, session }) =>
    caller.rest("GET", ofConversation("relay_conversation_pending", caller, session)),
  "relay: change one's own conversation": ({ caller, session }) =>
    caller.rest("PATCH", ofConversation("relay_conversations", caller, session), { told: false }),
  "relay: delete one's own conversation": ({ caller, session }) =>
    caller.rest("DELETE", ofConversation("relay_conversations", caller, session)),
  "relay: delete another's conversation": ({ caller, other, session }) =>
    caller.rest("DELETE", ofConversation("relay_conversations", other, session)),
  "rpc: `relay_claim_conversation`: one's own": ({ caller, session }) =>
    caller.rest("POST", "rpc/relay_claim_conversation", { member: caller.userId, session, holder: caller.userId }),
  "rpc: `relay_claim_conversation`: another's": ({ caller, other, session }) =>
    caller.rest("POST", "rpc/relay_claim_conversation", { member: other.userId, session, holder: caller.userId }),
  "rpc: `relay_save_conversation`": ({ caller, session }) =>
    caller.rest("POST", "rpc/relay_save_conversation", {
      ...{ member: caller.userId, session, holder: caller.userId, changes: {} },
    }),
  "rpc: `relay_remove_conversation`": ({ caller, session }) =>
    caller.rest("POST", "rpc/relay_remove_conversation", { member: caller.userId, session, holder: caller.userId }),
  "rpc: `relay_begin_session`": ({ caller }) =>
    caller.rest("POST", "rpc/relay_begin_session", {
      ...{ member: caller.userId, session_name: "x", lease: caller.userId },
      ...{ lease_ms: 60_000, daily_budget: null, max_sessions: null },
    }),
  "rpc: `relay_record_usage`": ({ caller }) =>
    caller.rest("POST", "rpc/relay_record_usage", { usage: [], leases: [], lease_ms: 60_000, daily_budget: null }),
  "rpc: `relay_end_session`": ({ caller }) =>
    caller.rest("POST", "rpc/relay_end_session", { member: caller.userId, session_name: "x", lease: caller.userId }),
};

/** The path of someone's conversation, of which no more is asked back than who has it. */
function ofConversation(
  table: string,
  { userId }: Pick<SignedUp, "userId">,
  session: string,
  select = "user_id,session_id",
): string {
  return `${table}?user_id=eq.${userId}&session_id=eq.${session}&select=${select}`;
}

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
  await haveUsedRelay(local, [...users.values(), other]);
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
  await assertHeld("security.md", {
    name: "who-may",
    columns: ["", ...COLUMNS.map(([role, kind]) => `${role}, ${kind}`)],
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
  const session = crypto.randomUUID();
  const owners = role === "nobody" ? [other.userId] : [caller.userId, other.userId];
  await makeConversations(local, owners, session);
  return { room, role, own: own!.id, others: others!.id, other, stranger, caller, session };
}

/** A conversation of each through the relay, with a word that was said and one that waits. */
async function makeConversations(local: TestLocal, owners: readonly string[], session: string): Promise<void> {
  await local.sql(
    `with made as (
       insert into relay_conversations (user_id, session_id, owner, config)
         select id, $2, id, '{}' from unnest($1::uuid[]) as id returning user_id
     ), said as (
       insert into relay_conversation_items (user_id, session_id, item_id, place, item, role)
         select user_id, $2, 'i', 1, '{}', 'user' from made
     )
     insert into relay_conversation_pending (user_id, session_id, number, event) select user_id, $2, 1, '{}' from made`,
    [`{${owners}}`, session],
  );
}

/** What the relay writes of its users: a response, a day and a budget of each. */
async function haveUsedRelay(local: TestLocal, users: readonly SignedUp[]): Promise<void> {
  for (const { userId } of users) {
    await local.sql(
      `insert into relay_usage (id, user_id, session, kind, subject, model, cost)
         values (gen_random_uuid(), $1, 's', 'response', 'r', 'm', 1)`,
      [userId],
    );
    await local.sql("insert into relay_usage_days (user_id, day, cost) values ($1, current_date, 1)", [userId]);
    await local.sql("insert into relay_budgets (user_id, daily_budget) values ($1, 1)", [userId]);
  }
}

async function openCallers(local: TestLocal, users: ReadonlyMap<Role, SignedUp>) {
  const callers = new Map<Role, Caller>();
  const inboxes: TestSocket[] = [];
  const nobody = crypto.randomUUID();
  callers.set("nobody", {
    userId: nobody,
    ask: () => connectWith(local, local.anonKey, ""),
    connect: (query) => connectWith(local, local.anonKey, query),
    post: (path, body) => post(local, local.anonKey, path, body),
    rest: (method, path, body) => rest(local, local.anonKey, method, path, body),
  });
  for (const [role, { userId, accessToken }] of users) {
    const inbox = await openSocket(local.socketUrl(`chat?jwt=${accessToken}`));
    inboxes.push(inbox);
    callers.set(role, {
      userId,
      ask: (frame) => askOver(inbox, frame),
      connect: (query) => connectWith(local, accessToken, query),
      post: (path, body) => post(local, accessToken, path, body),
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

async function post(local: TestLocal, token: string, path: string, body: unknown): Promise<string> {
  const response = await fetch(`${local.url}/functions/v1/${path}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  await response.body?.cancel();
  return response.ok ? "yes" : String(response.status);
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
