/** The rate that OpenAI Realtime speaks and hears by default: 24,000 samples a second, 16 bits, one channel. */
const SAMPLE_RATE = 24_000;

/** What has been heard of an answer, to tell the model where it was interrupted. */
export interface Heard {
  readonly itemId: string;
  readonly contentIndex: number;
  readonly ms: number;
}

/** Whether this browser has what a conversation by voice needs. */
export function canSpeak(): boolean {
  return "AudioWorkletNode" in globalThis && navigator.mediaDevices?.getUserMedia !== undefined;
}

/** A microphone and a loudspeaker for a conversation, from `open` to `close`. */
export class Voice {
  readonly #context: AudioContext;
  readonly #microphone: MediaStream;
  #playing = new Set<AudioBufferSourceNode>();
  /** When the next piece of an answer begins, in seconds of the context. */
  #nextAt = 0;
  #answer: { itemId: string; contentIndex: number; startedAt: number } | undefined;

  private constructor(context: AudioContext, microphone: MediaStream) {
    this.#context = context;
    this.#microphone = microphone;
  }

  /**
   * Asks for the microphone, and hands on what it hears, ten times a second, as base64 of 16-bit samples.
   *
   * @throws {DOMException} where the user or the browser refuses.
   */
  static async open(onHeard: (base64: string) => void): Promise<Voice> {
    const microphone = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, channelCount: 1 },
    });
    let context: AudioContext | undefined;
    try {
      context = new AudioContext({ sampleRate: SAMPLE_RATE });
      await context.audioWorklet.addModule("/capture_worklet.js");
      const capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
      capture.port.onmessage = ({ data }) => onHeard(toBase64(new Uint8Array(data as ArrayBuffer)));
      context.createMediaStreamSource(microphone).connect(capture);
      return new Voice(context, microphone);
    } catch (error) {
      for (const track of microphone.getTracks()) track.stop();
      await context?.close();
      throw error;
    }
  }

  /** Plays a piece of an answer behind those before it. */
  play(base64: string, { itemId, contentIndex }: { itemId: string; contentIndex: number }): void {
    const samples = new Int16Array(fromBase64(base64).buffer);
    if (samples.length === 0) return;
    const buffer = this.#context.createBuffer(1, samples.length, SAMPLE_RATE);
    buffer.getChannelData(0).set(Float32Array.from(samples, (sample) => sample / 0x8000));
    const source = this.#context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.#context.destination);
    const at = Math.max(this.#nextAt, this.#context.currentTime);
    if (this.#answer?.itemId !== itemId) this.#answer = { itemId, contentIndex, startedAt: at };
    source.start(at);
    this.#nextAt = at + buffer.duration;
    this.#playing.add(source);
    source.onended = () => this.#playing.delete(source);
  }

  /** Falls silent, as the user speaks. Gives how much of the answer was heard; nothing where none is played. */
  interrupt(): Heard | undefined {
    const { currentTime } = this.#context;
    const answer = this.#answer;
    const isPlaying = this.#playing.size > 0;
    for (const source of this.#playing) source.stop();
    this.#playing.clear();
    this.#nextAt = currentTime;
    this.#answer = undefined;
    if (!isPlaying || answer === undefined) return undefined;
    const ms = Math.max(0, Math.round((currentTime - answer.startedAt) * 1_000));
    return { itemId: answer.itemId, contentIndex: answer.contentIndex, ms };
  }

  /** Gives the microphone back. */
  close(): void {
    for (const track of this.#microphone.getTracks()) track.stop();
    void this.#context.close();
  }
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
