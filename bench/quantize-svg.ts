/** Macro-F1 against bytes as a drawing, for people who would rather look. Plain SVG, no library. */
import type { Row } from "./quantize-figures.ts";

const WIDTH = 720;
const HEIGHT = 420;
const LEFT = 64;
const RIGHT = 190;
const TOP = 36;
const BOTTOM = 48;
const COLOURS: Readonly<Record<string, string>> = {
  "cnn int8": "#0072b2",
  "cnn dynamic-fixed-point": "#56b4e9",
  "gru int8": "#d55e00",
  "gru dynamic-fixed-point": "#e69f00",
};
/** Worse than this below the best float is drawn at the bottom edge. */
const DEEPEST = 0.1;

/** The last exit of every cell: filled where fine-tuned, hollow where quantized after training with
 * bias correction; a dashed line for each float family. */
export function quantizeSvg(dataset: string, rows: readonly Row[]): string {
  const drawn = rows.filter(({ method }) => method === "fine-tuned" || method === "mse, bias");
  const floats = rows.filter(({ scheme }) => scheme === "float");
  const scoreOf = (row: Row): number => row.exits.at(-1)?.macroF1.mean ?? 0;
  const bytesOf = (row: Row): number => row.exits.at(-1)?.bytes ?? 0;
  const best = Math.max(...rows.map(scoreOf));
  const worst = Math.max(best - DEEPEST, Math.min(...drawn.map(scoreOf)));
  const least = Math.min(...drawn.map(bytesOf)) * 0.9;
  const most = Math.max(...drawn.map(bytesOf)) * 1.05;
  const x = (bytes: number): number =>
    LEFT + ((bytes - least) / (most - least)) * (WIDTH - LEFT - RIGHT);
  const y = (score: number): number => {
    const share = (Math.max(score, worst) - worst) / (best - worst || 1);
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
  };
  const text = (at: readonly [number, number], words: string, anchor = "start"): string =>
    `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" text-anchor="${anchor}">${words}</text>`;
  const lines = floats.map((row) => {
    const at = y(scoreOf(row));
    const colour = COLOURS[`${row.family} int8`];
    return (
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at.toFixed(1)}" y2="${at.toFixed(1)}" ` +
      `stroke="${colour}" stroke-dasharray="5 4"/>` +
      text([LEFT + 6, at - 4], `${row.family}, float`)
    );
  });
  const points = drawn.map((row) => {
    const colour = COLOURS[`${row.family} ${row.scheme}`];
    const fill = row.method === "fine-tuned" ? colour : "white";
    const said = `${row.family}, ${row.scheme}, ${row.bits} bits, ${row.method}: ${scoreOf(row).toFixed(4)}`;
    return (
      `<circle cx="${x(bytesOf(row)).toFixed(1)}" cy="${y(scoreOf(row)).toFixed(1)}" r="5" ` +
      `fill="${fill}" stroke="${colour}" stroke-width="2"><title>${said}</title></circle>`
    );
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
    const score = worst + share * (best - worst);
    const bytes = least + share * (most - least);
    return [
      text([LEFT - 6, y(score) + 4], score.toFixed(3), "end"),
      text([x(bytes), HEIGHT - BOTTOM + 18], String(Math.round(bytes)), "middle"),
    ];
  });
  const legend = Object.entries(COLOURS).map(([name, colour], i) => {
    const at = TOP + 90 + 20 * i;
    const dot = `<circle cx="${WIDTH - RIGHT + 20}" cy="${at}" r="5" fill="${colour}"/>`;
    return dot + text([WIDTH - RIGHT + 32, at + 4], name.replace("dynamic-", ""));
  });
  const title = `${dataset}, last exit: macro-F1 on subjects never seen, by bytes packed`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    text([LEFT, 20], title),
    `<path d="M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}" fill="none" stroke="black"/>`,
    ...ticks,
    ...lines,
    ...points,
    ...legend,
    text([WIDTH - RIGHT + 12, TOP + 190], "filled: fine-tuned"),
    text([WIDTH - RIGHT + 12, TOP + 210], "hollow: after training"),
    text([(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8], "bytes", "middle"),
    "</svg>",
    "",
  ].join("\n");
}
