/** One window's axes as lines of text: the least and the most of each, and its course in eight steps. */

const STEPS = "▁▂▃▄▅▆▇█";
const AXIS_NAMES = ["x", "y", "z"];
/** What stands before a course: the axis and its range. */
const HEAD_COLUMNS = 24;

/** @param samples `[time][axis]`, milli-g; @param columns how wide the text may be */
export function axisLines(
  samples: readonly (readonly number[])[],
  columns: number,
): readonly string[] {
  const width = Math.max(1, Math.min(samples.length, columns - HEAD_COLUMNS));
  return AXIS_NAMES.map((name, axis) => {
    const values = samples.map((row) => row[axis] ?? 0);
    const least = Math.min(...values);
    const most = Math.max(...values);
    const course = binMeans(values, width).map((value) => stepOf(value, least, most));
    return `${name}  ${`${least} to ${most} mg`.padEnd(HEAD_COLUMNS - 3)}${course.join("")}`;
  });
}

function binMeans(values: readonly number[], bins: number): number[] {
  return Array.from({ length: bins }, (_, i) => {
    const own = values.slice(
      Math.floor((i * values.length) / bins),
      Math.floor(((i + 1) * values.length) / bins),
    );
    return own.reduce((sum, value) => sum + value, 0) / own.length;
  });
}

/** An axis that does not move is a line at the bottom. */
function stepOf(value: number, least: number, most: number): string {
  const share = most === least ? 0 : (value - least) / (most - least);
  return STEPS[Math.min(STEPS.length - 1, Math.floor(share * STEPS.length))] ?? "";
}
