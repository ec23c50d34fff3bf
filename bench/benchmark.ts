/**
 * What a benchmark is: a file `bench/<name>.ts` that exports `run`, given these options.
 *
 * A benchmark returns figures; it prints nothing but progress. `ok` is false when the run itself
 * failed or did not mean anything; a figure that is worse than one hoped for is still a figure.
 */

import { cpus } from "node:os";

export type BenchmarkOptions = {
  /** Where recordings are; undefined leaves the usual search to `recordings/find.ts`. */
  readonly data: string | undefined;
  /** A few seconds instead of minutes: shows that it runs, its figures mean nothing. */
  readonly quick: boolean;
  readonly dataset: string | undefined;
  /** Subjects by name; empty where not given. */
  readonly train: readonly string[];
  readonly test: readonly string[];
  readonly shift: readonly string[];
  readonly seeds: number | undefined;
  readonly student: "default" | "plain" | undefined;
  /** A turn of the collars such as `x90`: axis and degrees. */
  readonly rotate: string | undefined;
  /** Any further `--name value`, for what only one benchmark knows. */
  readonly extra: Readonly<Record<string, string>>;
  /** On standard error. `share` is 0 to 1 where known. */
  readonly progress: (text: string, share?: number) => void;
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal;
};

export type BenchmarkResult = {
  readonly ok: boolean;
  /** Lines for people; `table` lays them out. */
  readonly lines: readonly string[];
  /** The figures, for programs. */
  readonly figures: Readonly<Record<string, unknown>>;
};

export type BenchmarkModule = {
  readonly run: (options: BenchmarkOptions) => Promise<BenchmarkResult>;
};

/** Lines of equal columns; the first row is the title, numbers stand to the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string[] {
  const texts = rows.map((row) => row.map(String));
  const columns = Math.max(0, ...texts.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...texts.map((row) => row[i]?.length ?? 0)),
  );
  const isFigure = (text: string): boolean => /^[-+±<>]?\.?\d/.test(text) || text === "-";
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => {
        const right = i > 0 && texts.slice(1).every((other) => isFigure(other[i] ?? "-"));
        return right ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0);
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  const [title = [], ...rest] = texts;
  return [line(title), rule, ...rest.map(line)];
}

/** The middle value, or the mean of the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** By linear interpolation between the ordered values (type 7 of Hyndman and Fan, 1996). */
export function quantile(values: readonly number[], share: number): number {
  const ordered = [...values].sort((a, b) => a - b);
  const place = share * (ordered.length - 1);
  const low = ordered[Math.floor(place)] ?? Number.NaN;
  const high = ordered[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

/** What the figures were taken on, for `docs/RESULTS.md` and every JSON line. */
export function machine(): {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly platform: string;
} {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
}
