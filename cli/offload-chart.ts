/**
 * Accuracy against what offloading costs, as a drawing: plain SVG, no library, light and dark by the
 * reader's own setting. It draws lines that were measured at some costs, and invents none between.
 */

export type ChartSeries = {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** Drawn as an area behind the line. */
  readonly band?: readonly { readonly x: number; readonly low: number; readonly high: number }[];
  readonly colour: string;
  readonly dash?: string;
  readonly bold?: boolean;
};

export type Chart = {
  readonly title: string;
  /** What the axis across says; `log` needs costs above 0. */
  readonly across: {
    readonly label: string;
    readonly scale: "linear" | "log";
    readonly ticks: readonly { readonly at: number; readonly text: string }[];
  };
  readonly upLabel: string;
  readonly series: readonly ChartSeries[];
  /** A line across, such as the teacher's accuracy. */
  readonly level?: { readonly y: number; readonly name: string };
};

const WIDTH = 760;
const HEIGHT = 440;
const LEFT = 58;
const RIGHT = 176;
const TOP = 44;
const BOTTOM = 54;
const LABEL_PX = 15;

const STYLE =
  ":root{--ink:#1b1f24;--soft:#667;--line:#d5d9df;--paper:#fff}" +
  "@media(prefers-color-scheme:dark){:root{--ink:#e8eaee;--soft:#9aa3b2;--line:#3a414d;" +
  "--paper:#14171c}}" +
  ".c text{fill:var(--ink);font:12px system-ui,sans-serif}.c .soft{fill:var(--soft)}" +
  ".c .grid{stroke:var(--line);fill:none}.c .paper{fill:var(--paper)}";

type Place = { readonly x: (value: number) => number; readonly y: (value: number) => number };

/** A drawing that stands alone, or inside an HTML page. */
export function offloadChart(chart: Chart): string {
  const up = upRange(chart);
  const place = placeOf(chart, up);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" class="c" role="img">`,
    `<title>${escapeText(chart.title)}</title><style>${STYLE}</style>`,
    `<rect class="paper" width="${WIDTH}" height="${HEIGHT}"/>`,
    text([LEFT, 22], chart.title, { weight: 600 }),
    ...axes(chart, place, up),
    ...chart.series.map((series) => areaOf(series, place)),
    ...levelOf(chart, place),
    ...chart.series.map((series) => lineOf(series, place)),
    ...labelsOf(chart, place),
    "</svg>",
    "",
  ].join("\n");
}

function upRange(chart: Chart): { readonly low: number; readonly high: number } {
  const values = chart.series.flatMap(({ points }) => points.map(({ y }) => y));
  if (chart.level !== undefined) values.push(chart.level.y);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const room = Math.max(0.002, 0.06 * (high - low));
  return { low: Math.max(0, low - room), high: Math.min(1, high + room) };
}

function placeOf(chart: Chart, up: { readonly low: number; readonly high: number }): Place {
  const { scale, ticks } = chart.across;
  const given = chart.series.flatMap(({ points }) => points.map(({ x }) => x));
  const all = [...given, ...ticks.map(({ at }) => at)];
  const bend = (value: number): number => (scale === "log" ? Math.log(value) : value);
  const from = bend(Math.min(...all));
  const to = bend(Math.max(...all));
  return {
    x: (value) => LEFT + ((bend(value) - from) / (to - from || 1)) * (WIDTH - LEFT - RIGHT),
    y: (value) =>
      HEIGHT - BOTTOM - ((value - up.low) / (up.high - up.low || 1)) * (HEIGHT - TOP - BOTTOM),
  };
}

function axes(
  chart: Chart,
  { x, y }: Place,
  up: { readonly low: number; readonly high: number },
): string[] {
  const step = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2].find(
    (size) => (up.high - up.low) / size <= 8,
  );
  const rows: string[] = [];
  const every = step ?? 0.2;
  for (let n = Math.ceil(up.low / every); n * every <= up.high; n++) {
    const at = y(n * every);
    rows.push(
      `<path class="grid" d="M${LEFT} ${px(at)}H${WIDTH - RIGHT}"/>`,
      text([LEFT - 8, at + 4], (100 * n * every).toFixed(every < 0.01 ? 1 : 0), { anchor: "end" }),
    );
  }
  const columns = chart.across.ticks.flatMap((tick) => [
    `<path class="grid" d="M${px(x(tick.at))} ${HEIGHT - BOTTOM}v5"/>`,
    text([x(tick.at), HEIGHT - BOTTOM + 19], tick.text, { anchor: "middle" }),
  ]);
  const middle = (LEFT + WIDTH - RIGHT) / 2;
  return [
    ...rows,
    ...columns,
    text([middle, HEIGHT - 12], chart.across.label, { anchor: "middle", soft: true }),
    text([LEFT - 46, 36], chart.upLabel, { soft: true }),
  ];
}

function areaOf({ band, colour }: ChartSeries, { x, y }: Place): string {
  if (band === undefined || band.length < 2) return "";
  const floor = HEIGHT - BOTTOM;
  const clamped = (value: number): number => Math.max(TOP, Math.min(floor, y(value)));
  const over = band.map(({ x: at, high }) => `${px(x(at))} ${px(clamped(high))}`);
  const under = band.map(({ x: at, low }) => `${px(x(at))} ${px(clamped(low))}`).reverse();
  return `<path d="M${[...over, ...under].join("L")}Z" fill="${colour}" opacity=".13"/>`;
}

function lineOf({ points, colour, dash, bold, name }: ChartSeries, { x, y }: Place): string {
  const path = points.map((point) => `${px(x(point.x))} ${px(y(point.y))}`).join("L");
  const dots = points.map(
    (point) =>
      `<circle cx="${px(x(point.x))}" cy="${px(y(point.y))}" r="${bold ? 4 : 3}" ` +
      `fill="${colour}"><title>${escapeText(name)}: ${(100 * point.y).toFixed(2)} %</title></circle>`,
  );
  const dashes = dash === undefined ? "" : ` stroke-dasharray="${dash}"`;
  return (
    `<path d="M${path}" fill="none" stroke="${colour}" stroke-width="${bold ? 3 : 1.8}"` +
    ` stroke-linejoin="round"${dashes}/>${dots.join("")}`
  );
}

function levelOf(chart: Chart, { y }: Place): string[] {
  if (chart.level === undefined) return [];
  const at = px(y(chart.level.y));
  return [
    `<path d="M${LEFT} ${at}H${WIDTH - RIGHT}" fill="none" stroke="var(--soft)" ` +
      'stroke-dasharray="2 3"/>',
  ];
}

/** Beside the lines' ends, moved apart where they would lie on each other. */
function labelsOf(chart: Chart, { x, y }: Place): string[] {
  const ends = chart.series.flatMap(({ name, points, colour }) => {
    const last = points.at(-1);
    return last === undefined ? [] : [{ name, colour, x: x(last.x), y: y(last.y) }];
  });
  if (chart.level !== undefined) {
    const { name, y: at } = chart.level;
    ends.push({ name, colour: "var(--soft)", x: WIDTH - RIGHT, y: y(at) });
  }
  ends.sort((a, b) => a.y - b.y);
  const wanted = ends.map((end) => end.y);
  for (let i = 1; i < wanted.length; i++) {
    wanted[i] = Math.max(wanted[i] as number, (wanted[i - 1] as number) + LABEL_PX);
  }
  const over = Math.max(0, (wanted.at(-1) ?? 0) - (HEIGHT - BOTTOM));
  for (let i = wanted.length - 1, limit = Number.POSITIVE_INFINITY; i >= 0 && over > 0; i--) {
    wanted[i] = Math.min((wanted[i] as number) - (i === wanted.length - 1 ? over : 0), limit);
    limit = (wanted[i] as number) - LABEL_PX;
  }
  return ends.map((end, i) => {
    const at = wanted[i] as number;
    const from = WIDTH - RIGHT + 26;
    return (
      `<path d="M${px(end.x + 5)} ${px(end.y)}L${from - 4} ${px(at)}" fill="none" ` +
      `stroke="${end.colour}" opacity=".6"/>` +
      `<text x="${from}" y="${px(at + 4)}" style="fill:${end.colour}">${escapeText(end.name)}</text>`
    );
  });
}

function text(
  [x, y]: readonly [number, number],
  words: string,
  how: { anchor?: "middle" | "end"; soft?: boolean; weight?: number } = {},
): string {
  const anchor = how.anchor === undefined ? "" : ` text-anchor="${how.anchor}"`;
  const soft = how.soft ? ' class="soft"' : "";
  const weight = how.weight === undefined ? "" : ` style="font-weight:${how.weight}"`;
  return `<text x="${px(x)}" y="${px(y)}"${anchor}${soft}${weight}>${escapeText(words)}</text>`;
}

function px(value: number): string {
  return value.toFixed(1);
}

export function escapeText(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
