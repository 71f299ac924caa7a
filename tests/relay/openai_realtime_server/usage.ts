import type { RealtimeResponseUsage } from "openai/resources/realtime/realtime";
import type { Entry } from "./conversation.ts";
import { durationMs } from "./speech.ts";

/** Tokens by kind. */
export interface Tokens {
  readonly text: number;
  readonly audio: number;
  readonly image: number;
}

const CHARACTERS_PER_TEXT_TOKEN = 4;
const MS_PER_INPUT_TOKEN = 100;
const MS_PER_OUTPUT_TOKEN = 50;
const IMAGE_TOKENS = 85;

export function textTokens(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TEXT_TOKEN);
}

/** The tokens of a user's audio. */
export function inputAudioTokens(ms: number): number {
  return Math.ceil(ms / MS_PER_INPUT_TOKEN);
}

/** The tokens of an answer: its text, and the audio in which it is said. */
export function outputTokens(text: string, audioMs: number): Tokens {
  return { text: textTokens(text), audio: Math.ceil(audioMs / MS_PER_OUTPUT_TOKEN), image: 0 };
}

/** The tokens of all that the model reads before it answers. */
export function contextTokens(context: readonly Entry[], preamble: string): Tokens {
  let [text, audio, image] = [textTokens(preamble), 0, 0];
  for (const entry of context) {
    if (entry.audio === undefined) text += textTokens(entry.text);
    else if (entry.role === "user") audio += inputAudioTokens(durationMs(entry.audio));
    else audio += Math.ceil((entry.truncatedAtMs ?? durationMs(entry.audio)) / MS_PER_OUTPUT_TOKEN);
    image += (entry.images ?? 0) * IMAGE_TOKENS;
  }
  return { text, audio, image };
}

/** The usage of a response, whose context was `cached` as far as it was read for the one before. */
export function usageOf(input: Tokens, cached: Tokens, output: Tokens): RealtimeResponseUsage {
  const cachedDetails = {
    text_tokens: Math.min(cached.text, input.text),
    audio_tokens: Math.min(cached.audio, input.audio),
    image_tokens: Math.min(cached.image, input.image),
  };
  const inputTokens = total(input);
  const outputTokens = total(output);
  return {
    total_tokens: inputTokens + outputTokens,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    input_token_details: {
      text_tokens: input.text,
      audio_tokens: input.audio,
      image_tokens: input.image,
      cached_tokens: cachedDetails.text_tokens + cachedDetails.audio_tokens + cachedDetails.image_tokens,
      cached_tokens_details: cachedDetails,
    },
    output_token_details: { text_tokens: output.text, audio_tokens: output.audio },
  };
}

export function total({ text, audio, image }: Tokens): number {
  return text + audio + image;
}
