import { type FormEvent, useEffect, useRef, useState } from "react";
import type { ViewProps } from "../view_props.ts";
import { ConnectionPanel } from "../socket/connection_panel.tsx";
import { Frames } from "../socket/frames.tsx";
import { functionAddress, type SocketAddress } from "../socket/function_address.ts";
import { useLiveSocket } from "../socket/use_live_socket.ts";
import { timeOfDay } from "../ui/time.ts";
import { usePinnedScroll } from "../ui/use_pinned_scroll.ts";
import type { RoundTrip } from "./latencies.ts";
import { LatencyPlot } from "./latency_plot.tsx";

const BINARY_BYTES = 65_536;
const PING_EVERY_MS = 200;
const MOST_TRIPS = 150;
const MOST_SHOWN = 100;

/** A frame that has not come back yet. */
interface Sent {
  readonly data: string | Uint8Array<ArrayBuffer>;
  readonly number: number;
  readonly sentAt: number;
}

/** A frame of the user's own, as the list shows it. */
interface Shown {
  readonly number: number;
  readonly text: string;
  readonly at: Date;
}

type ConnectAs = "me" | "nobody" | "broken";

/** The view of `echo`: sends text and bytes, and shows how long each took to come back as it was. */
export function EchoView({ account, user }: ViewProps) {
  const [connectAs, setConnectAs] = useState<ConnectAs>("me");
  const [trips, setTrips] = useState<readonly RoundTrip[]>([]);
  const [shown, setShown] = useState<readonly Shown[]>([]);
  const [isPinging, setPinging] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const underWay = useRef<Sent[]>([]);
  const total = useRef(0);
  const isFirst = useRef(false);
  const { ref, onScroll } = usePinnedScroll<HTMLDivElement>({ lastKey: String(shown.at(-1)?.number) });

  const socket = useLiveSocket(connectAs, { greeting: "connection", address, onReady, onFrame: received });
  const isReady = socket.status.state === "open" || socket.status.state === "moving";

  async function address(renewToken: boolean): Promise<SocketAddress> {
    if (connectAs === "nobody") return functionAddress("echo", {});
    const token = await account.token(renewToken);
    return functionAddress("echo", {}, connectAs === "broken" ? broken(token) : token);
  }

  function send(data: Sent["data"]): number | undefined {
    const number = total.current + 1;
    const sentAt = performance.now();
    if (!socket.send(typeof data === "string" ? data : data.buffer)) return undefined;
    total.current = number;
    underWay.current.push({ data, number, sentAt });
    const trip: RoundTrip = { number, sentAt, ...(isFirst.current && { isFirst: true }) };
    isFirst.current = false;
    setTrips((trips) => [...trips.slice(1 - MOST_TRIPS), trip]);
    return number;
  }

  function say(data: Sent["data"], text: string): void {
    const number = send(data);
    if (number !== undefined) setShown((shown) => [...shown.slice(1 - MOST_SHOWN), { number, text, at: new Date() }]);
  }

  function settle(number: number, change: Partial<RoundTrip>): void {
    setTrips((trips) => trips.map((trip) => trip.number === number ? { ...trip, ...change } : trip));
  }

  function received(data: string | ArrayBuffer): void {
    const now = performance.now();
    const index = underWay.current.findIndex((sent) => isSame(sent.data, data));
    if (index < 0) return; // The greeting, or another control frame.
    const [{ number, sentAt }] = underWay.current.splice(index, 1) as [Sent];
    settle(number, { ms: now - sentAt });
  }

  /** What the socket before had not sent back does not come any more: a hand-over waits for none of it. */
  function onReady(): void {
    isFirst.current = total.current > 0;
    for (const { number } of underWay.current.splice(0)) settle(number, { isLost: true });
  }

  const ping = useRef(() => {});
  useEffect(() => {
    ping.current = () => void send(`ping ${total.current + 1}`);
  });
  useEffect(() => {
    if (!isPinging) return;
    const timer = setInterval(() => ping.current(), PING_EVERY_MS);
    return () => clearInterval(timer);
  }, [isPinging]);

  function submit(event: FormEvent): void {
    event.preventDefault();
    say(input.current!.value, input.current!.value);
    input.current!.value = "";
  }

  return (
    <section id="echo" className="columns two" aria-labelledby="echo-title" data-state={socket.status.state}>
      <div className="conversation">
        <header>
          <h1 id="echo-title" tabIndex={-1}>Echo</h1>
          <p className="quiet">Sends back what you send.</p>
        </header>
        <LatencyPlot trips={trips} />
        <div ref={ref} onScroll={onScroll} className="messages" role="log" aria-label="Round trips" tabIndex={0}>
          <div className="thread">
            {shown.length === 0 && <p className="empty">What you send comes back here.</p>}
            {shown.map(({ number, text, at }) => (
              <RoundTripItem
                key={number}
                trip={trips.find((trip) => trip.number === number)}
                text={text}
                at={at}
                name={user.name}
              />
            ))}
          </div>
        </div>
        <form className="composer" onSubmit={submit}>
          <label className="hidden" htmlFor="echo-text">Text to echo</label>
          <input
            id="echo-text"
            ref={input}
            placeholder="Say something"
            maxLength={16_000}
            autoComplete="off"
            required
          />
          <button className="primary" type="submit" disabled={!isReady}>Send</button>
        </form>
      </div>
      <aside aria-label="Connection">
        <ConnectionPanel status={socket.status} onRetry={socket.retryNow} />
        <p className="field">
          <label htmlFor="echo-as">Connect as</label>
          <select id="echo-as" value={connectAs} onChange={({ target }) => setConnectAs(target.value as ConnectAs)}>
            <option value="me">me</option>
            <option value="nobody">nobody, without a token</option>
            <option value="broken">someone with a broken token</option>
          </select>
        </p>
        <p className="field">
          <button type="button" aria-pressed={isPinging} onClick={() => setPinging(!isPinging)}>
            {isPinging ? "Stop pinging" : "Ping five times a second"}
          </button>
        </p>
        <p className="field">
          <button
            type="button"
            disabled={!isReady}
            onClick={() =>
              say(
                crypto.getRandomValues(new Uint8Array(BINARY_BYTES)),
                `${BINARY_BYTES.toLocaleString("en")} random bytes`,
              )}
          >
            Send 64 KiB of random bytes
          </button>
        </p>
        <Frames log={socket.frames} />
      </aside>
    </section>
  );
}

function RoundTripItem(
  { trip, text, at, name }: { trip: RoundTrip | undefined; text: string; at: Date; name: string },
) {
  const note = trip?.isLost
    ? "lost with its connection"
    : trip?.ms !== undefined
    ? `came back unchanged in ${trip.ms.toFixed(1)} ms`
    : trip && "on its way";
  const state = trip?.isLost ? "failed" : trip && trip.ms === undefined ? "pending" : "";
  return (
    <article className={`message own ${state}`}>
      <p className="by">
        <strong>{name}</strong> <time dateTime={at.toISOString()}>{timeOfDay(at)}</time>
      </p>
      <p className="bubble">{text}</p>
      {note && <p className="note">{note}</p>}
    </article>
  );
}

/** The token with another signature. */
function broken(token: string): string {
  return `${token.slice(0, token.lastIndexOf("."))}.AAAA`;
}

function isSame(sent: Sent["data"], received: string | ArrayBuffer): boolean {
  if (typeof sent === "string" || typeof received === "string") return sent === received;
  const bytes = new Uint8Array(received);
  return bytes.length === sent.length && bytes.every((byte, i) => byte === sent[i]);
}
