/** `opening` while the user is asked for the microphone. */
export type VoiceState = "off" | "opening" | "on";

/** Has at most one voice open, whenever and however often it is asked to, and none once it was told to close. */
export class VoiceSwitch<V extends { close(): void }> {
  readonly #onState: (state: VoiceState) => void;
  #voice: V | undefined;
  /** Stands for the opening that counts, and for the voice that came of it. */
  #wanted: object | undefined;

  constructor(onState: (state: VoiceState) => void) {
    this.#onState = onState;
  }

  /** While it is on. */
  get voice(): V | undefined {
    return this.#voice;
  }

  /**
   * Opens a voice; gives whether it is on now. It is not where one was on or opening before, nor where `close` came before
   * the user's answer: what is granted then is given back at once.
   *
   * @throws what `openVoice` does.
   */
  async open(openVoice: () => Promise<V>): Promise<boolean> {
    if (this.#wanted !== undefined) return false;
    const own = this.#wanted = {};
    this.#onState("opening");
    let opened: V;
    try {
      opened = await openVoice();
    } catch (error) {
      if (this.#wanted === own) this.close();
      throw error;
    }
    if (this.#wanted !== own) {
      opened.close();
      return false;
    }
    this.#voice = opened;
    this.#onState("on");
    return true;
  }

  /** May be called twice. */
  close(): void {
    this.#voice?.close();
    this.#wanted = this.#voice = undefined;
    this.#onState("off");
  }
}
