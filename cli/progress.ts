/**
 * Progress of long work, on standard error.
 *
 * In a terminal one line is redrawn in place; elsewhere plain lines are written, at most one every
 * few seconds, so that a log of a night's run stays readable. Quiet says nothing.
 */

export type Progress = {
  /** `share` is 0 to 1 where known. */
  readonly update: (text: string, share?: number) => void;
  /** Ends with a line that stays. Without a text the line is removed. */
  readonly done: (text?: string) => void;
};

export type ProgressTarget = {
  write(text: string): void;
  readonly isTerminal: boolean;
  columns(): number;
  nowMs(): number;
};

const REDRAW_MS = 80;
const PLAIN_LINE_MS = 5_000;
const BAR_CELLS = 24;

export function makeProgress(title: string, target: ProgressTarget, quiet: boolean): Progress {
  if (quiet) return { update: () => undefined, done: () => undefined };
  return target.isTerminal ? terminalProgress(title, target) : plainProgress(title, target);
}

function terminalProgress(title: string, target: ProgressTarget): Progress {
  let lastMs = Number.NEGATIVE_INFINITY;
  const erase = "\r\u001b[2K";
  return {
    update(text, share) {
      if (target.nowMs() - lastMs < REDRAW_MS && share !== 1) return;
      lastMs = target.nowMs();
      const line = share === undefined ? `${title}  ${text}` : `${title} ${bar(share)}  ${text}`;
      target.write(erase + line.slice(0, Math.max(20, target.columns() - 1)));
    },
    done(text) {
      target.write(text === undefined ? erase : `${erase}${title}  ${text}\n`);
    },
  };
}

function plainProgress(title: string, target: ProgressTarget): Progress {
  let lastMs = Number.NEGATIVE_INFINITY;
  return {
    update(text, share) {
      if (target.nowMs() - lastMs < PLAIN_LINE_MS) return;
      lastMs = target.nowMs();
      const percent = share === undefined ? "" : ` ${Math.round(100 * clamp(share))} %`;
      target.write(`${title}${percent}: ${text}\n`);
    },
    done(text) {
      if (text !== undefined) target.write(`${title}: ${text}\n`);
    },
  };
}

function bar(share: number): string {
  const full = Math.round(BAR_CELLS * clamp(share));
  const percent = String(Math.round(100 * clamp(share))).padStart(3);
  return `[${"=".repeat(full)}${" ".repeat(BAR_CELLS - full)}] ${percent} %`;
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
