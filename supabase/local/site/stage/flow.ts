/** A place on the stage, by its `data-spot`. */
export type Spot = string;

/** A line that is there while two places belong together. */
export interface Tie {
  readonly from: Spot;
  readonly to: Spot;
  readonly hue: number;
  /** Drawn faintly: the connection is being made, or is lost. */
  readonly isWeak: boolean;
}

interface Particle {
  readonly spots: readonly Spot[];
  readonly hue: number;
  readonly bornAt: number;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

const LEG_MS = 320;
const RADIUS = 3.5;
const MOST_PARTICLES = 400;
/** Places move seldom: they are measured no more often than this. */
const MEASURE_EVERY_MS = 200;

/** Draws on a canvas over the stage who is connected where, and messages as they go from place to place. */
export class Flow {
  readonly #canvas: HTMLCanvasElement;
  readonly #stage: HTMLElement;
  readonly #isDark = matchMedia("(prefers-color-scheme: dark)");
  readonly #isStill = matchMedia("(prefers-reduced-motion: reduce)");
  #particles: Particle[] = [];
  #ties: readonly Tie[] = [];
  #boxes = new Map<Spot, DOMRect>();
  #measuredAt = -Infinity;
  #frame = 0;
  #wasEmpty = false;

  /** `stage` holds the elements with a `data-spot`, and the canvas. */
  constructor(canvas: HTMLCanvasElement, stage: HTMLElement) {
    this.#canvas = canvas;
    this.#stage = stage;
    this.#frame = requestAnimationFrame(this.#draw);
  }

  /** Shows these lines from now on. */
  set ties(ties: readonly Tie[]) {
    this.#ties = ties;
    this.#wasEmpty = false;
  }

  /** Lets a message go along these places, where motion is welcome. */
  send(spots: readonly Spot[], hue: number): void {
    if (this.#isStill.matches || document.visibilityState === "hidden" || this.#particles.length >= MOST_PARTICLES) {
      return;
    }
    this.#particles.push({ spots, hue, bornAt: performance.now() });
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
  }

  readonly #draw = (now: number): void => {
    this.#frame = requestAnimationFrame(this.#draw);
    const isMeasured = now - this.#measuredAt >= MEASURE_EVERY_MS;
    if (isMeasured) this.#measure(now);
    if (this.#particles.length === 0 && this.#wasEmpty && !isMeasured) return;
    this.#wasEmpty = this.#particles.length === 0;
    const context = this.#canvas.getContext("2d")!;
    const scale = devicePixelRatio;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    for (const tie of this.#ties) this.#drawTie(context, tie);
    this.#particles = this.#particles.filter((particle) => this.#drawParticle(context, particle, now));
  };

  #measure(now: number): void {
    this.#measuredAt = now;
    const { left, top, width, height } = this.#stage.getBoundingClientRect();
    const [pixelsX, pixelsY] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
    if (this.#canvas.width !== pixelsX) this.#canvas.width = pixelsX;
    if (this.#canvas.height !== pixelsY) this.#canvas.height = pixelsY;
    this.#boxes = new Map(
      [...this.#stage.querySelectorAll<HTMLElement>("[data-spot]")].map((element) => {
        const box = element.getBoundingClientRect();
        return [element.dataset.spot!, new DOMRect(box.x - left, box.y - top, box.width, box.height)];
      }),
    );
  }

  #drawTie(context: CanvasRenderingContext2D, { from, to, hue, isWeak }: Tie): void {
    const ends = this.#leg(from, to);
    if (ends === undefined) return;
    context.strokeStyle = this.#color(hue, isWeak ? 0.18 : 0.5);
    context.lineWidth = 1.5;
    context.setLineDash(isWeak ? [3, 5] : []);
    context.beginPath();
    context.moveTo(ends[0].x, ends[0].y);
    const [c1, c2] = controls(ends);
    context.bezierCurveTo(c1.x, c1.y, c2.x, c2.y, ends[1].x, ends[1].y);
    context.stroke();
    context.setLineDash([]);
  }

  /** Draws a message where it is now; gives whether it is still on its way. */
  #drawParticle(context: CanvasRenderingContext2D, { spots, hue, bornAt }: Particle, now: number): boolean {
    const way = Math.max(0, now - bornAt) / LEG_MS;
    const leg = Math.floor(way);
    const from = spots[leg];
    const to = spots[leg + 1];
    if (from === undefined || to === undefined) return false;
    const ends = this.#leg(from, to);
    if (ends === undefined) return false;
    const { x, y } = onCurve(ends, ease(way - leg));
    context.fillStyle = this.#color(hue, 1);
    context.beginPath();
    context.arc(x, y, RADIUS, 0, 2 * Math.PI);
    context.fill();
    return true;
  }

  /** From the edge of one place to the edge of another that faces it. */
  #leg(from: Spot, to: Spot): [Point, Point] | undefined {
    const [a, b] = [this.#boxes.get(from), this.#boxes.get(to)];
    if (a === undefined || b === undefined) return undefined;
    const isDown = a.y + a.height / 2 <= b.y + b.height / 2;
    const meet = clamp(a.x + a.width / 2, b.x + 18, b.right - 18);
    const leave = clamp(meet, a.x + Math.min(18, a.width / 2), a.right - Math.min(18, a.width / 2));
    return isDown ? [{ x: leave, y: a.bottom }, { x: meet, y: b.y }] : [{ x: leave, y: a.y }, { x: meet, y: b.bottom }];
  }

  #color(hue: number, alpha: number): string {
    return this.#isDark.matches ? `oklch(80% 0.1 ${hue} / ${alpha})` : `oklch(52% 0.13 ${hue} / ${alpha})`;
  }
}

function controls([a, b]: readonly [Point, Point]): [Point, Point] {
  const middle = (a.y + b.y) / 2;
  return [{ x: a.x, y: middle }, { x: b.x, y: middle }];
}

function onCurve(ends: readonly [Point, Point], t: number): Point {
  const [a, b] = ends;
  const [c1, c2] = controls(ends);
  const at = (p: number, q: number, r: number, s: number) =>
    (1 - t) ** 3 * p + 3 * (1 - t) ** 2 * t * q + 3 * (1 - t) * t ** 2 * r + t ** 3 * s;
  return { x: at(a.x, c1.x, c2.x, b.x), y: at(a.y, c1.y, c2.y, b.y) };
}

function ease(t: number): number {
  return t < 0.5 ? 2 * t * t : 1 - (-2 * t + 2) ** 2 / 2;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), Math.max(least, most));
}
