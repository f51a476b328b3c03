// Line charts as SVG: axes with round ticks, one line a series, its name at its end.

export interface Series {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
}

export interface Chart {
  title: string;
  x: string;
  y: string;
  series: readonly Series[];
  /** Logarithmic axes. */
  logX?: boolean;
  logY?: boolean;
  /** Draw a mark at each point. Default true. */
  marks?: boolean;
}

const [WIDTH, HEIGHT] = [760, 400];
const [LEFT, RIGHT, TOP, BOTTOM] = [70, 200, 44, 52];
/** Colours that those who see fewer of them can tell apart (Okabe and Ito 2008). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

interface Axis {
  ticks: number[];
  /** 0 … 1 along it. */
  place(value: number): number;
}

export function lineChart({ title, x, y, series, logX = false, logY = false, marks = true }: Chart): string {
  const points = series.flatMap((one) => one.points);
  const across = axisOf(
    points.map(([value]) => value),
    logX,
  );
  const up = axisOf(
    points.map(([, value]) => value),
    logY,
  );
  const px = (value: number) => LEFT + across.place(value) * (WIDTH - LEFT - RIGHT);
  const py = (value: number) => HEIGHT - BOTTOM - up.place(value) * (HEIGHT - TOP - BOTTOM);
  const text = (tx: number, ty: number, body: string, more = "") => `<text x="${tx}" y="${ty}" ${more}>${body}</text>`;
  const parts = [
    text(LEFT, 24, escaped(title), 'font-size="15" font-weight="bold"'),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, escaped(x), 'text-anchor="middle"'),
    text(16, HEIGHT / 2, escaped(y), `text-anchor="middle" transform="rotate(-90 16 ${HEIGHT / 2})"`),
    ...up.ticks.flatMap((tick) => [
      `<path d="M${LEFT} ${round(py(tick))}H${WIDTH - RIGHT}" stroke="#ddd"/>`,
      text(LEFT - 8, round(py(tick)) + 4, shown(tick), 'text-anchor="end"'),
    ]),
    ...across.ticks.map((tick) => text(round(px(tick)), HEIGHT - BOTTOM + 18, shown(tick), 'text-anchor="middle"')),
    `<path d="M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}" fill="none" stroke="#333"/>`,
  ];
  const ends = spaced(series.map((one) => py(one.points[one.points.length - 1][1])));
  for (const [i, { name, points: own }] of series.entries()) {
    const colour = COLOURS[i % COLOURS.length];
    const path = own.map(([vx, vy]) => `${round(px(vx))} ${round(py(vy))}`).join("L");
    parts.push(`<path d="M${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const [vx, vy] of marks ? own : []) {
      parts.push(`<circle cx="${round(px(vx))}" cy="${round(py(vy))}" r="3.5" fill="${colour}"/>`);
    }
    parts.push(text(WIDTH - RIGHT + 10, round(ends[i]) + 4, escaped(name), `fill="${colour}"`));
  }
  const style = 'font-family="sans-serif" font-size="12" fill="#333"';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" ${style}>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
${parts.join("\n")}
</svg>
`;
}

/** The share of values that are at most x, as points of a line. */
export function distribution(values: readonly number[]): [x: number, y: number][] {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.map((value, i) => [value, (i + 1) / sorted.length]);
}

function axisOf(values: readonly number[], log: boolean): Axis {
  if (log) {
    const low = Math.floor(Math.log10(Math.min(...values)));
    const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
    const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
    return { ticks, place: (value) => (Math.log10(value) - low) / (high - low) };
  }
  const most = Math.max(...values) || 1;
  const step = [1, 2, 5, 10].map((n) => n * 10 ** Math.floor(Math.log10(most / 5))).find((n) => most / n <= 6)!;
  const end = Math.ceil(most / step - 1e-9) * step;
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step);
  return { ticks, place: (value) => value / end };
}

/** Heights of labels, moved apart where they would lie on each other. */
function spaced(heights: readonly number[]): number[] {
  const moved = [...heights];
  const order = heights.map((_, i) => i).sort((a, b) => heights[a] - heights[b]);
  for (const [n, i] of order.entries()) if (n > 0) moved[i] = Math.max(moved[i], moved[order[n - 1]] + 15);
  return moved;
}

function shown(value: number): string {
  return value >= 1000 ? value.toLocaleString("en") : String(Number(value.toPrecision(3)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
