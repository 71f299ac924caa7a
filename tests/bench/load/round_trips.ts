import { within } from "../../support/within.ts";
import { FrameSocket } from "./frame_socket.ts";
import { percentiles } from "./percentiles.ts";
import type { OpenTripsCommand, Trip, TripsCommand, TripsResult } from "./protocol.ts";

/** A trip that takes longer has been lost. */
const TRIP_DEADLINE_MS = 10_000;

/** Connections on which a frame goes there and another comes back. */
export class RoundTrips {
  readonly #travellers: readonly Traveller[];

  private constructor(travellers: readonly Traveller[]) {
    this.#travellers = travellers;
  }

  static async open({ urls, trip }: OpenTripsCommand): Promise<RoundTrips> {
    const travellers: Traveller[] = [];
    for (const url of urls) {
      const traveller = new Traveller(await FrameSocket.open(url), trip);
      await traveller.travel();
      travellers.push(traveller);
    }
    return new RoundTrips(travellers);
  }

  /** Rejects where an answer does not come, or a connection ends. */
  async run({ durationMs, perSecond }: TripsCommand): Promise<TripsResult> {
    const everyMs = perSecond === undefined ? 0 : 1000 * this.#travellers.length / perSecond;
    const latenciesUs: number[] = [];
    const startedAt = performance.now();
    const endsAt = startedAt + durationMs;
    await Promise.all(this.#travellers.map(async (traveller, index) => {
      // Spread over the interval, so that trips do not meet.
      let due = startedAt + everyMs * index / this.#travellers.length;
      while (due < endsAt) {
        const waitMs = due - performance.now();
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        latenciesUs.push(await traveller.travel());
        due = everyMs === 0 ? performance.now() : Math.max(due + everyMs, performance.now() - everyMs);
      }
    }));
    const seconds = (performance.now() - startedAt) / 1000;
    const at = percentiles(latenciesUs);
    return { trips: latenciesUs.length, seconds, p50Us: at(0.5), p99Us: at(0.99) };
  }
}

class Traveller {
  readonly #send: () => void;
  #arrived: PromiseWithResolvers<void> | undefined;
  #error: Error | undefined;

  constructor(socket: FrameSocket, { request, answerBytes }: Trip) {
    const bytes = typeof request === "number" ? new Uint8Array(request) : undefined;
    this.#send = bytes ? () => socket.sendBinary(bytes) : () => socket.send(request as string);
    socket.readFrames((_, start, end) => {
      if (end - start === answerBytes) this.#arrived?.resolve();
    }).catch((error) => {
      this.#error = error;
      this.#arrived?.reject(error);
    });
  }

  /** Goes there and back, and says in how many microseconds. */
  async travel(): Promise<number> {
    if (this.#error) throw this.#error;
    this.#arrived = Promise.withResolvers();
    const sentAt = performance.now();
    this.#send();
    await within("an answer arrives", this.#arrived.promise, TRIP_DEADLINE_MS);
    return (performance.now() - sentAt) * 1000;
  }
}
