import type { RealtimeEvent } from "../../../shared/relay/openai/stage.ts";
import { HOSTILE_EVENTS } from "./hostile_client_events.ts";

/** The rows of the table in docs/relay.md that shows what becomes of hostile events. */
export function hostileRows(): string[] {
  return HOSTILE_EVENTS.map(({ attempt, sent, reached }) =>
    `| ${attempt} | ${shown(sent)} | ${typeof reached === "string" ? `nothing: \`${reached}\`` : shown(reached)} |`
  );
}

/** The type of an event, and what it is about; each session is of the type `realtime` but for one that says otherwise. */
function shown({ type, session, response, item, ...others }: RealtimeEvent): string {
  const { type: kind, ...fields } = (session ?? {}) as Record<string, unknown>;
  const isOdd = Array.isArray(session) || (kind !== undefined && kind !== "realtime");
  const about = session === undefined ? response ?? item : isOdd ? session : fields;
  const rest = Object.keys(others).length === 0 ? "" : ` ${JSON.stringify(others)}`;
  return `\`${type}${about === undefined ? "" : ` ${JSON.stringify(about, inShort)}`}${rest}\``;
}

/** A message as who says what. */
function inShort(_name: string, value: unknown): unknown {
  const { type, role, content } = (value ?? {}) as { type?: unknown; role?: string; content?: { text: string }[] };
  return type === "message" ? `${role}: ${content?.map(({ text }) => text)}` : value;
}
