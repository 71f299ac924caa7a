import type { OpenAiPolicy } from "./openai_policy.ts";
import {
  AUDIO_FIELDS,
  type Fields,
  type Item,
  type Response,
  RESPONSE_FIELDS,
  type Session,
  SESSION_FIELDS,
} from "./session_fields.ts";

/**
 * The session that every conversation starts with: what is locked and what is a default, with the ceiling of the output;
 * `undefined` where the policy says nothing of it.
 */
export function firstSession({ locked, defaults, maxOutputTokens }: OpenAiPolicy): Fields | undefined {
  const ceiling = maxOutputTokens === undefined ? {} : { max_output_tokens: maxOutputTokens };
  const session = overlay({ ...ceiling, ...defaults }, locked);
  return Object.keys(session).length === 0 ? undefined : { type: "realtime", ...session };
}

/**
 * `session` of a client's `session.update` as it may go on: without the fields that a client may not set, under the
 * ceiling, and with what is locked in place of what was asked for.
 */
export function rewriteSession(policy: OpenAiPolicy, session: Session): Fields {
  const rewritten = settable(policy, session, []);
  // Not more of it than was touched: a voice can be set only until the model has spoken.
  const touched = Object.entries(policy.locked).filter(([field]) => Object.hasOwn(rewritten, field));
  return { type: "realtime", ...overlay(rewritten, Object.fromEntries(touched)) };
}

/**
 * `response` of a client's `response.create` as it may go on: what is locked in the session is not overridden, and its own
 * input holds only the items that a client may add.
 */
export function rewriteResponse(policy: OpenAiPolicy, response: Response): Fields {
  const { audio, input, ...fields } = settable(policy, response, RESPONSE_FIELDS);
  const open = omit(fields, Object.keys(policy.locked));
  const openAudio = audio && withoutLockedAudio(audio as Fields, policy.locked.audio);
  return {
    ...open,
    ...openAudio !== undefined && { audio: openAudio },
    ...input !== undefined && { input: (input as Item[] | null)?.filter((item) => !refusedPart(policy, item)) },
  };
}

/** The member of an item that a client may not add, as its path in the item; `undefined` where it may add all of it. */
export function refusedPart({ items, content }: OpenAiPolicy, item: Item): string | undefined {
  const isMessage = item.type === "message";
  if (!items.has(isMessage ? item.role ?? "" : item.type)) return isMessage ? "role" : "type";
  let index = 0;
  for (const { type } of item.content ?? []) {
    if (!content.has(type)) return `content[${index}].type`;
    index++;
  }
}

/** What is asked for, but for what a client may not set at all and for types of tools that it may not declare. */
function settable(policy: OpenAiPolicy, asked: Session, ownFields: readonly string[]): Fields {
  const { sessionFields, unknown, toolTypes, maxOutputTokens } = policy;
  const { audio, tools, max_output_tokens: tokens, ...fields }: Session = pick(asked, (field) => {
    if (sessionFields.has(field) || ownFields.includes(field)) return true;
    return unknown.fields === "pass" && !SESSION_FIELDS.includes(field) && field !== "type" && field !== "model";
  });
  return {
    ...fields,
    ...audio !== undefined && { audio: audio && settableAudio(policy, audio) },
    ...tools !== undefined && { tools: tools && tools.filter(({ type = "function" }) => toolTypes.has(type)) },
    ...tokens !== undefined && { max_output_tokens: underCeiling(tokens, maxOutputTokens) },
  };
}

function settableAudio({ unknown }: OpenAiPolicy, audio: Fields): Fields {
  if (unknown.fields === "pass") return audio;
  const sides = Object.entries(AUDIO_FIELDS).flatMap(([side, known]) => {
    const fields = audio[side] as Fields | null | undefined;
    return fields === undefined ? [] : [[side, fields && pick(fields, (field) => known.includes(field))]];
  });
  return Object.fromEntries(sides);
}

/** `null` is OpenAI's own default, which knows no end. */
function underCeiling(tokens: number | "inf" | null, ceiling: number | undefined): number | "inf" | null {
  return ceiling === undefined || (typeof tokens === "number" && tokens <= ceiling) ? tokens : ceiling;
}

/** `top` in place of what is below it: field by field, within `audio` as well. */
function overlay(below: Fields, { audio, ...top }: Fields): Fields {
  if (audio === undefined) return { ...below, ...top };
  const audioBelow = (below.audio ?? {}) as Fields;
  const sides = Object.entries(audio as Fields).map(([side, fields]) =>
    [side, { ...audioBelow[side] as Fields | null, ...fields as Fields }] as const
  );
  return { ...below, ...top, audio: { ...audioBelow, ...Object.fromEntries(sides) } };
}

function withoutLockedAudio(audio: Fields, locked: Fields = {}): Fields | undefined {
  const sides = Object.entries(audio).map(([side, fields]) =>
    [side, fields && omit(fields as Fields, Object.keys(locked[side] ?? {}))] as const
  );
  const left = sides.filter(([, fields]) => fields !== null && Object.keys(fields as Fields).length > 0);
  return left.length === 0 ? undefined : Object.fromEntries(left);
}

function pick<T extends Fields>(fields: T, isPicked: (field: string) => boolean): T {
  return Object.fromEntries(Object.entries(fields).filter(([field]) => isPicked(field))) as T;
}

function omit(fields: Fields, omitted: readonly string[]): Fields {
  return pick(fields, (field) => !omitted.includes(field));
}
