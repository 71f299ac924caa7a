/** Runs in the audio thread: hands on what the microphone hears, in blocks of 16-bit samples. */

/** The types of an AudioWorklet are not among those of a page. */
declare abstract class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

/** 100 ms at 24 kHz. */
const BLOCK_SAMPLES = 2_400;

class Capture extends AudioWorkletProcessor {
  #block = new Int16Array(BLOCK_SAMPLES);
  #length = 0;

  process([channels]: Float32Array[][]): boolean {
    for (const sample of channels?.[0] ?? []) {
      this.#block[this.#length++] = Math.max(-1, Math.min(1, sample)) * 0x7fff;
      if (this.#length === BLOCK_SAMPLES) this.#handOn();
    }
    return true;
  }

  #handOn(): void {
    this.port.postMessage(this.#block.buffer, [this.#block.buffer]);
    this.#block = new Int16Array(BLOCK_SAMPLES);
    this.#length = 0;
  }
}

registerProcessor("capture", Capture);
