import { concat } from "@std/bytes/concat";
import type { SessionConfig } from "./client_events.ts";
import { Refusal } from "./refusal.ts";
import type { Emit, NewId } from "./server_event.ts";
import { bytesAt, durationMs, silenceStart, soundStart } from "./speech.ts";

type TurnDetection = NonNullable<NonNullable<SessionConfig["audio"]>["input"]>["turn_detection"];

/** What an `AudioInput` tells its session. */
export interface AudioInputEvents {
  readonly emit: Emit;
  readonly newId: NewId;
  /** Somebody begins to speak. */
  readonly onSpeech: () => void;
  /** What was said becomes an item of this id. `byVad`: its end was heard, the client did not ask for it. */
  readonly onCommit: (audio: Uint8Array, itemId: string, byVad: boolean) => void;
}

const MIN_COMMITTED_MS = 100;
const SILENCE_MS = 500;

/** The input audio buffer of a session, and the detection of turns in it. */
export class AudioInput {
  readonly #events: AudioInputEvents;
  #buffer: Uint8Array = new Uint8Array(0);
  /** What came before the buffer begins, for times that count from the beginning of the session. */
  #msBefore = 0;
  #speakingItem: string | undefined;

  constructor(events: AudioInputEvents) {
    this.#events = events;
  }

  append(audio: Uint8Array, detection: TurnDetection): void {
    this.#buffer = concat([this.#buffer, audio]);
    while (detection && this.#detect(detection));
  }

  /** Makes an item of what is there. */
  commit(): void {
    const ms = durationMs(this.#buffer);
    if (ms < MIN_COMMITTED_MS) {
      const rule = `Expected at least ${MIN_COMMITTED_MS}ms of audio, but buffer only has ${ms.toFixed(2)}ms of audio.`;
      const message = `Error committing input audio buffer: buffer too small. ${rule}`;
      throw new Refusal("input_audio_buffer_commit_empty", message);
    }
    const audio = this.#take(this.#buffer.length);
    this.#events.onCommit(audio, this.#speakingItem ?? this.#events.newId("item"), false);
    this.#speakingItem = undefined;
  }

  clear(): void {
    this.#take(this.#buffer.length);
    this.#speakingItem = undefined;
  }

  /** Finds the next beginning or end of speech; `false` where what is there holds none. */
  #detect(detection: NonNullable<TurnDetection>): boolean {
    const { emit, newId, onSpeech, onCommit } = this.#events;
    if (this.#speakingItem === undefined) {
      this.#take(soundStart(this.#buffer, 0));
      if (this.#buffer.length === 0) return false;
      this.#speakingItem = newId("item");
      emit({
        type: "input_audio_buffer.speech_started",
        audio_start_ms: Math.floor(this.#msBefore),
        item_id: this.#speakingItem,
      });
      onSpeech();
      return true;
    }
    const silenceMs = detection.type === "server_vad" ? detection.silence_duration_ms ?? SILENCE_MS : SILENCE_MS;
    const end = silenceStart(this.#buffer, 0, silenceMs);
    if (end === undefined) return false;
    const itemId = this.#speakingItem;
    this.#speakingItem = undefined;
    const audio = this.#take(end);
    emit({ type: "input_audio_buffer.speech_stopped", audio_end_ms: Math.floor(this.#msBefore), item_id: itemId });
    this.#take(bytesAt(silenceMs));
    onCommit(audio, itemId, true);
    return true;
  }

  #take(bytes: number): Uint8Array {
    const taken = this.#buffer.subarray(0, bytes);
    this.#buffer = this.#buffer.slice(bytes);
    this.#msBefore += durationMs(taken);
    return taken;
  }
}
