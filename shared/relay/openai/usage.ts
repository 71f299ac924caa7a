import type { RealtimeEvent } from "./stage.ts";

/** The kinds of tokens that OpenAI counts apart. What was cached is part of the input of the same kind. */
export const TOKEN_KINDS = [
  "input_text",
  "input_audio",
  "input_image",
  "cached_text",
  "cached_audio",
  "cached_image",
  "output_text",
  "output_audio",
] as const;

/** A kind of token. */
export type TokenKind = typeof TOKEN_KINDS[number];

/** What one response, or the transcription of one item, has used. */
export interface Usage extends Readonly<Record<TokenKind, number>> {
  readonly kind: "response" | "transcription";
  /** OpenAI's id of the response, or of the item. */
  readonly subject: string;
  readonly model: string;
  /** The audio of a transcription that is counted by its time; 0 for others. */
  readonly seconds: number;
}

/** The server events that tell of usage. */
export const USAGE_EVENTS = ["response.done", "conversation.item.input_audio_transcription.completed"] as const;

/** The models of a session. */
export interface Models {
  readonly response: string;
  readonly transcription: string;
}

/** The usage that one of `USAGE_EVENTS` tells of; `undefined` where it tells of none. */
export function usageOf(event: RealtimeEvent, models: Models): Usage | undefined {
  if (event.type === "response.done") {
    const { id, usage } = object(event.response);
    if (!isObject(usage)) return undefined;
    return { kind: "response", subject: text(id), model: text(models.response), seconds: 0, ...tokensOf(usage) };
  }
  const { item_id: id, usage } = event;
  if (!isObject(usage)) return undefined;
  const seconds = usage.type === "duration" ? amount(usage.seconds) : 0;
  return { kind: "transcription", subject: text(id), model: text(models.transcription), seconds, ...tokensOf(usage) };
}

/** What a token of each kind counts, and a second of audio that is counted by its time. */
export type Weights = Readonly<Record<TokenKind | "seconds", number>>;

/** Every token counts once, cached or not; a second of audio as the ten tokens that OpenAI makes of it elsewhere. */
export const DEFAULT_WEIGHTS: Weights = {
  ...Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, 1])) as Record<TokenKind, number>,
  seconds: 10,
};

/** What usage takes from a budget. */
export function costOf(usage: Usage, weights: Weights): number {
  const input = (["text", "audio", "image"] as const).reduce((sum, kind) => {
    const [all, cached] = [usage[`input_${kind}`], usage[`cached_${kind}`]];
    return sum + Math.max(0, all - cached) * weights[`input_${kind}`] + cached * weights[`cached_${kind}`];
  }, 0);
  const output = usage.output_text * weights.output_text + usage.output_audio * weights.output_audio;
  return input + output + usage.seconds * weights.seconds;
}

/** Tokens without details count as text. */
function tokensOf(usage: Fields): Record<TokenKind, number> {
  const input = object(usage.input_token_details);
  const output = object(usage.output_token_details);
  const cached = object(input.cached_tokens_details);
  const input_audio = count(input.audio_tokens);
  const input_image = count(input.image_tokens);
  const output_audio = count(output.audio_tokens);
  return {
    input_text: count(input.text_tokens ?? count(usage.input_tokens) - input_audio - input_image),
    input_audio,
    input_image,
    cached_text: count(cached.text_tokens ?? input.cached_tokens),
    cached_audio: count(cached.audio_tokens),
    cached_image: count(cached.image_tokens),
    output_text: count(output.text_tokens ?? count(usage.output_tokens) - output_audio),
    output_audio,
  };
}

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

function object(value: unknown): Fields {
  return isObject(value) ? value : {};
}

/** As every database takes it: one text that it refuses would keep back all that is stored with it. */
function text(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 256).replace(/[^ -~]/g, "?") : "";
}

const MAX_COUNT = 2 ** 31 - 1;

/** As the database can hold it. */
function count(value: unknown): number {
  return typeof value === "number" && value > 0 ? Math.min(MAX_COUNT, Math.round(value)) : 0;
}

function amount(value: unknown): number {
  return typeof value === "number" && value > 0 && Number.isFinite(value) ? value : 0;
}
