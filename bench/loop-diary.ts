/** What happened in one run of the loop's benchmark: counts for its figures, and why it may end. */

import type { Truth } from "../device-sim/fleet.ts";
import type { NodeStatus } from "../device-sim/node-runtime.ts";
import type { Log } from "../gateway/broker/link.ts";
import type { LoopReport } from "../gateway/distil/distil-loop-parts.ts";

export type LoopCounts = {
  readonly offloadRatio: number;
  /** Soft labels that the releases were learned from and judged by. */
  readonly softLabels: number;
  /** Windows until each node's first alarm; null where none came. */
  readonly windowsToAlarm: readonly (number | null)[];
  readonly windows: number;
  readonly releases: number;
  readonly notTrusted: boolean;
  /** What the loop decided, in its own words. */
  readonly note: string;
  /** Why this run means nothing; null for a run that does. */
  readonly problem: string | null;
};

export class LoopDiary {
  readonly #alarmAfter = new Map<string, number | null>();
  readonly #confirmed = new Map<string, number>();
  readonly #notes: string[] = [];
  #windows = 0;
  #offloads = 0;
  #softLabels = 0;
  #releases = 0;
  /** Releases that went back. */
  #ended = 0;
  #notTrusted = false;
  #peopleRefused = false;
  #distilling = false;
  #problem: string | null = null;

  constructor(nodes: readonly string[]) {
    for (const node of nodes) this.#alarmAfter.set(node, null);
  }

  /** The loop's own log: what it calls an error makes the run meaningless. */
  readonly log: Log = (level, message, fields) => {
    if (level === "error") this.#problem ??= `${message} ${JSON.stringify(fields ?? {})}`;
  };

  decided({ node, decided }: Truth): void {
    this.#windows += 1;
    if (decided.offload !== null) this.#offloads += 1;
    if (decided.alarm && this.#alarmAfter.get(node) === null) {
      this.#alarmAfter.set(node, decided.windowIndex + 1);
      this.#distilling = true;
    }
  }

  confirmed(node: string, releaseSequence: number): void {
    this.#confirmed.set(node, releaseSequence);
  }

  report(report: LoopReport): void {
    this.#distilling = false;
    if (report.kind === "not-trusted") {
      this.#notTrusted = true;
      const share = (100 * report.verdict.unknownShare).toFixed(0);
      this.#notes.push(`the teacher does not know ${share} % of what it was asked`);
    } else if (report.kind === "rolled-back") {
      this.#ended = this.#releases;
      this.#notes.push(`release ${report.rollout.sequence} went back: ${report.reason}`);
    } else if (report.answer.kind === "refused") {
      this.#peopleRefused ||= report.cause === "people";
      this.#notes.push(`candidate refused: ${report.answer.reasons.join("; ")}`);
    } else {
      const { train, heldOut } = report.lessons.labels;
      this.#softLabels = train.windows.count + heldOut.windows.count;
      this.#releases += 1;
      this.#notes.push(`release ${this.#releases} (${report.cause}) in ${report.seconds} s`);
    }
  }

  /** A candidate that people had taught was not good enough. */
  get peopleRefused(): boolean {
    return this.#peopleRefused;
  }

  get notTrusted(): boolean {
    return this.#notTrusted;
  }

  /** Nothing is being collected or distilled, and nothing spreads. */
  get isQuiet(): boolean {
    return !this.#distilling && this.#releases === this.#ended;
  }

  /** Every node has confirmed the newest release. */
  runsEverywhere(nodes: readonly NodeStatus[]): boolean {
    return (
      this.#releases > 0 &&
      nodes.every((node) => !node.onTrial && this.#confirmed.get(node.node) === this.#releases)
    );
  }

  counts(): LoopCounts {
    return {
      offloadRatio: this.#windows === 0 ? 0 : this.#offloads / this.#windows,
      softLabels: this.#softLabels,
      windowsToAlarm: [...this.#alarmAfter.values()],
      windows: this.#windows,
      releases: this.#releases,
      notTrusted: this.#notTrusted,
      note: this.#notes.join("; "),
      problem: this.#problem,
    };
  }
}
