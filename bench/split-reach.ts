/**
 * What it costs a node to be as right as the teacher less .6 points over all windows, by the form in
 * which it sends its doubts.
 *
 * The share of windows that must be offloaded is the gate's at work, with verdicts that teach it
 * (`split-work.ts`). From it the day's energy is estimated as in `bench -- energy`; forms with fewer
 * samples than a window has no frame carries.
 */
import { table } from "./benchmark.ts";
import { dayOf, type Sends } from "./energy.ts";
import { measureExits } from "./energy-exits.ts";
import { WORK_SHARES } from "./split-work.ts";

const BELOW_TEACHER = 0.006;
const LINKS = ["BLE", "LoRaWAN DR5", "LoRaWAN DR0"] as const;

export type Reached = {
  readonly bytes: number;
  readonly encoding: string;
  /** Least share of windows, 0..1; null where no share of `WORK_SHARES` does. */
  readonly share: number | null;
  /** Millijoules a day by link, and the share that its duty cycle carries; null where it does not
   * fit. */
  readonly days: readonly ({ readonly millijoule: number; readonly carried: number } | null)[];
};

type ReachingForm = {
  readonly bytes: number;
  readonly encoding: string;
  readonly sends: Sends | undefined;
  /** Accuracy by entry of `WORK_SHARES`, 0..1. */
  readonly accuracies: readonly number[];
};

/** @param name the shipped profile, whose student and reports a day has */
export async function reachedBy(
  name: string,
  forms: readonly ReachingForm[],
  teacher: number,
  asked: { readonly data: string | undefined; readonly windowsMax: number },
): Promise<readonly Reached[]> {
  const mix = await measureExits(name, asked);
  return forms.flatMap(({ bytes, encoding, sends, accuracies }) => {
    if (sends === undefined) return [];
    const share = leastShare(accuracies, teacher - BELOW_TEACHER);
    const days = LINKS.map((link) => {
      const day = share === null ? null : dayOf(mix, link, sends, share);
      return day && { millijoule: day.totalMillijoule, carried: day.carried };
    });
    return [{ bytes, encoding, share, days }];
  });
}

/** By a straight line between the shares that were tried. */
export function leastShare(accuracies: readonly number[], wanted: number): number | null {
  const at = accuracies.findIndex((accuracy) => accuracy >= wanted);
  if (at < 0) return null;
  const share = (WORK_SHARES[at] as number) / 100;
  if (at === 0) return share;
  const [below, above] = [accuracies[at - 1] as number, accuracies[at] as number];
  const before = (WORK_SHARES[at - 1] as number) / 100;
  return before + ((wanted - below) / (above - below)) * (share - before);
}

export function reachLines(reached: readonly Reached[], teacher: number): string[] {
  if (reached.length === 0) return [];
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const rows = reached
    .toSorted((a, b) => b.bytes - a.bytes)
    .map(({ bytes, encoding, share, days }) => [
      ...[bytes, encoding, share === null ? "never" : percent(share)],
      ...days.map((day) => {
        if (share === null) return "-";
        if (day === null) return "does not fit";
        const part = day.carried < 1 ? ` (${percent(day.carried)})` : "";
        return `${Math.round(day.millijoule).toLocaleString("en")}${part}`;
      }),
    ]);
  return [
    "",
    `To be right about ${percent(teacher - BELOW_TEACHER)} of all windows, the teacher less .6 points ` +
      "(mJ a day, estimated, ±30 %; share carried in brackets):",
    ...table([["bytes", "encoding", "offloaded", ...LINKS], ...rows]),
  ];
}
