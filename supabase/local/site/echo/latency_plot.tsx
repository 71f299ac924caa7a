import { percentile, type RoundTrip } from "./latencies.ts";

const WIDTH = 600;
const HEIGHT = 120;
/** The plot has places for so many round trips; the newest is at the right. */
const PLACES = 150;
const LEAST_TOP_MS = 5;

/** Round trips over time, with what half, nearly all, and all of them stayed under. Lines stand where a new connection began. */
export function LatencyPlot({ trips }: { trips: readonly RoundTrip[] }) {
  const times = trips.flatMap(({ ms }) => ms === undefined ? [] : [ms]);
  const [p50, p95, most] = [0.5, 0.95, 1].map((share) => percentile(times, share));
  const top = niceTop(most ?? 0);
  const newest = trips.at(-1)?.number ?? 0;
  const x = (number: number) => WIDTH * (1 - (newest - number + 0.5) / PLACES);
  const y = (ms: number) => HEIGHT * (1 - Math.min(1, ms / top));
  const figures = `${times.length} round trips: median ${inMs(p50)}, 95 % under ${inMs(p95)}, longest ${inMs(most)}`;
  return (
    <figure className="plot">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={figures} preserveAspectRatio="none">
        {[0, 0.5, 1].map((share) => (
          <line key={share} className="grid" x1={0} x2={WIDTH} y1={HEIGHT * share} y2={HEIGHT * share} />
        ))}
        {trips.filter(({ isFirst }) => isFirst).map(({ number }) => (
          <line key={number} className="moved" x1={x(number - 0.5)} x2={x(number - 0.5)} y1={0} y2={HEIGHT} />
        ))}
        {trips.map(({ number, ms, isLost }) =>
          ms !== undefined
            ? (
              <rect
                key={number}
                className="trip"
                x={x(number) - 1.5}
                width={3}
                y={y(ms)}
                height={Math.max(1, HEIGHT - y(ms))}
              />
            )
            : isLost && <rect key={number} className="lost" x={x(number) - 1.5} width={3} y={0} height={HEIGHT} />
        )}
      </svg>
      <figcaption>
        <span>
          median <strong>{inMs(p50)}</strong>
        </span>
        <span>
          95 % <strong>{inMs(p95)}</strong>
        </span>
        <span>
          longest <strong>{inMs(most)}</strong>
        </span>
        <span className="top">{top} ms</span>
      </figcaption>
    </figure>
  );
}

function inMs(ms: number | undefined): string {
  return ms === undefined ? "–" : `${ms.toFixed(1)} ms`;
}

/** 1, 2 or 5 times a power of ten, so that the longest fits below. */
function niceTop(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(ms, LEAST_TOP_MS)));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= Math.max(ms, LEAST_TOP_MS))!;
}
