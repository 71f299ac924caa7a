/** What sockets have been opened meanwhile. */
export interface WithoutTls extends Disposable {
  /** The subprotocols that each has offered. */
  readonly offers: readonly (readonly string[])[];
}

/** Has every `WebSocket` go without TLS: the client of `openai` takes nothing but `wss:`, which few tests are about. */
export function withoutTls(): WithoutTls {
  const native = globalThis.WebSocket;
  const offers: string[][] = [];
  class Plain extends native {
    constructor(url: string | URL, protocols: string | string[] = []) {
      super(String(url).replace(/^wss:/, "ws:"), protocols);
      offers.push([protocols].flat());
    }
  }
  globalThis.WebSocket = Plain as typeof WebSocket;
  return { offers, [Symbol.dispose]: () => void (globalThis.WebSocket = native) };
}
