/**
 * Speech that can be told from its samples, so that audio makes a conversation that tests compare: each byte of a text
 * (UTF-8) sounds for 20 ms at a loudness of its own, and silence is zeros. PCM, 16 bits, 24 kHz, one channel.
 */
const MS_PER_BYTE = 20;
const BYTES_PER_MS = 48;
const FRAME_BYTES = MS_PER_BYTE * BYTES_PER_MS;
const LOUDNESS = 100;

/** The audio of a text. */
export function speak(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(text);
  const samples = new Int16Array(bytes.length * FRAME_BYTES / 2);
  bytes.forEach((byte, at) => samples.fill((byte + 1) * LOUDNESS, at * FRAME_BYTES / 2, (at + 1) * FRAME_BYTES / 2));
  return new Uint8Array(samples.buffer);
}

/** Audio in which nothing is said. */
export function silence(ms: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(ms * BYTES_PER_MS);
}

/** What is said in an audio; the silence before and behind it is skipped. */
export function hear(audio: Uint8Array): string {
  const bytes: number[] = [];
  for (let at = soundStart(audio, 0); at + FRAME_BYTES <= audio.length; at += FRAME_BYTES) {
    const loudness = sampleAt(audio, at);
    if (loudness === 0) break;
    bytes.push(Math.round(loudness / LOUDNESS) - 1);
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

/** The part of a spoken text that was over when its audio was cut. */
export function spokenBy(text: string, ms: number): string {
  const bytes = new TextEncoder().encode(text).subarray(0, Math.floor(ms / MS_PER_BYTE));
  return new TextDecoder().decode(bytes, { stream: true });
}

export function durationMs(audio: Uint8Array): number {
  return audio.length / BYTES_PER_MS;
}

/** The bytes of a moment in an audio. */
export function bytesAt(ms: number): number {
  return Math.floor(ms) * BYTES_PER_MS;
}

/** Where the first sample at or behind `from` is that is not silent; the audio's length where there is none. */
export function soundStart(audio: Uint8Array, from: number): number {
  for (let at = from; at + 1 < audio.length; at += 2) if (sampleAt(audio, at) !== 0) return at;
  return audio.length;
}

/** Where the first silence of `ms` at or behind `from` begins; `undefined` where there is none yet. */
export function silenceStart(audio: Uint8Array, from: number, ms: number): number | undefined {
  const needed = bytesAt(ms);
  let start = from;
  for (let at = from; at + 1 < audio.length; at += 2) {
    if (sampleAt(audio, at) !== 0) start = at + 2;
    else if (at + 2 - start >= needed) return start;
  }
  return undefined;
}

function sampleAt(audio: Uint8Array, at: number): number {
  return (audio[at + 1]! << 8 | audio[at]!) << 16 >> 16;
}
