import { assertEquals } from "@std/assert";
import { costOf, DEFAULT_WEIGHTS, type Usage, usageOf } from "../../../shared/relay/openai/usage.ts";

const MODELS = { response: "gpt-realtime", transcription: "whisper-1" };
const NONE = {
  input_text: 0,
  input_audio: 0,
  input_image: 0,
  cached_text: 0,
  cached_audio: 0,
  cached_image: 0,
  output_text: 0,
  output_audio: 0,
};

const response = (usage: unknown) => usageOf({ type: "response.done", response: { id: "resp_1", usage } }, MODELS);
const transcription = (usage: unknown) =>
  usageOf({ type: "conversation.item.input_audio_transcription.completed", item_id: "item_1", usage }, MODELS);

const FULL = {
  total_tokens: 340,
  input_tokens: 300,
  output_tokens: 40,
  input_token_details: {
    text_tokens: 100,
    audio_tokens: 150,
    image_tokens: 50,
    cached_tokens: 70,
    cached_tokens_details: { text_tokens: 40, audio_tokens: 20, image_tokens: 10 },
  },
  output_token_details: { text_tokens: 10, audio_tokens: 30 },
};

const table: { name: string; usage: Usage | undefined; tokens: Partial<Usage> | undefined }[] = [
  {
    name: "all kinds of a response",
    usage: response(FULL),
    tokens: {
      input_text: 100,
      input_audio: 150,
      input_image: 50,
      cached_text: 40,
      cached_audio: 20,
      cached_image: 10,
      output_text: 10,
      output_audio: 30,
    },
  },
  {
    name: "a response without details, as text",
    usage: response({ input_tokens: 5, output_tokens: 6 }),
    tokens: { input_text: 5, output_text: 6 },
  },
  {
    name: "cached tokens without details, as text",
    usage: response({ input_token_details: { text_tokens: 9, cached_tokens: 4 } }),
    tokens: { input_text: 9, cached_text: 4 },
  },
  {
    name: "tokens of a transcription",
    usage: transcription({
      type: "tokens",
      input_tokens: 12,
      output_tokens: 3,
      input_token_details: { audio_tokens: 12 },
    }),
    tokens: { input_audio: 12, output_text: 3 },
  },
  {
    name: "seconds of a transcription",
    usage: transcription({ type: "duration", seconds: 2.5 }),
    tokens: { seconds: 2.5 },
  },
  {
    name: "numbers that no database takes",
    usage: response({ input_token_details: { text_tokens: -1, audio_tokens: 1e300 }, output_tokens: "9" }),
    tokens: { input_audio: 2 ** 31 - 1 },
  },
  { name: "no usage", usage: response(null), tokens: undefined },
  { name: "no response", usage: usageOf({ type: "response.done" }, MODELS), tokens: undefined },
];
for (const { name, usage, tokens } of table) {
  Deno.test(`usageOf() reads ${name}`, () => {
    if (tokens === undefined) return assertEquals(usage, undefined);
    const { kind, subject, model, ...counted } = usage!;
    assertEquals(counted, { ...NONE, seconds: 0, ...tokens });
    const isResponse = kind === "response";
    assertEquals([subject, model], isResponse ? ["resp_1", "gpt-realtime"] : ["item_1", "whisper-1"]);
  });
}

Deno.test("costOf() counts every token once, or as it is weighted, cached ones apart", () => {
  const usage = response(FULL)!;
  assertEquals(costOf(usage, DEFAULT_WEIGHTS), 340);
  const weights = { ...DEFAULT_WEIGHTS, input_text: 4, cached_text: 0.5, output_audio: 64 };
  assertEquals(costOf(usage, weights), (100 - 40) * 4 + 40 * 0.5 + 150 + 50 + 10 + 30 * 64);
  assertEquals(costOf(transcription({ type: "duration", seconds: 3 })!, DEFAULT_WEIGHTS), 30);
});

Deno.test("usageOf() keeps of names what a database can hold, as a client may have chosen them", () => {
  const event = { type: "response.done", response: { id: "r".repeat(300), usage: {} } };
  const usage = usageOf(event, { ...MODELS, response: "a\u0000b\ud800" });
  assertEquals([usage?.subject.length, usage?.model], [256, "a?b?"]);
});
