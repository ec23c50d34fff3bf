/**
 * The line to the gateway: what changes on its board, how old that is, and what its clock says. The
 * same sentence about it stands at the top of every page that listens.
 */

import type { BoardChange, BoardState } from "../telling/board.ts";
import { element, write } from "./elements.ts";

/** Two heartbeats and some: after that nobody knows whether anything on the page is still so. */
const LINE_LOST_MS = 12_000;
/** A refusal is asked about again after so long. */
const RETRY_MS = 5_000;

export type Line = {
  /** Whether the gateway was heard lately and says that it is online. */
  readonly isLive: () => boolean;
  /** The gateway's clock, milliseconds since 1970. */
  readonly nowMs: () => number;
};

export type LineEvents = {
  /** The whole board: what was known before is over. */
  readonly onBoard: (changes: readonly BoardChange[]) => void;
  readonly onChanges: (changes: readonly BoardChange[]) => void;
  /** It has become live, or is no longer. */
  readonly onLive: () => void;
};

/** Listens until the page is left, and comes back by itself. */
export function openLine(events: LineEvents): Line {
  /** The gateway's clock less ours. */
  let clockMs = 0;
  let heardMs = Number.NEGATIVE_INFINITY;
  let isLive = false;
  let isOffline = false;
  let detail: string | undefined;

  const check = (): void => {
    if (heardMs < 0) return;
    const isNow = performance.now() - heardMs < LINE_LOST_MS && !isOffline;
    const line = element("line");
    line.dataset.line = isNow ? (detail === undefined ? "live" : "ill") : "lost";
    write(
      line,
      isNow ? liveText(detail) : "no word from the gateway: what is shown is what was known last",
    );
    if (isNow === isLive) return;
    isLive = isNow;
    events.onLive();
  };
  const hear = (timeMs: number, changes: readonly BoardChange[]): void => {
    clockMs = timeMs - Date.now();
    heardMs = performance.now();
    for (const change of changes) {
      if (change.kind !== "bridge") continue;
      isOffline = change.value.state === "offline";
      detail = change.value.detail;
    }
  };
  const listen = (): void => {
    const source = new EventSource("/api/events");
    source.addEventListener("board", ({ data }: MessageEvent<string>) => {
      const { time, changes } = JSON.parse(data) as BoardState;
      isOffline = false;
      detail = undefined;
      hear(time, changes);
      events.onBoard(changes);
      check();
    });
    source.addEventListener("changes", ({ data }: MessageEvent<string>) => {
      const { time, changes } = JSON.parse(data) as { time: number; changes: BoardChange[] };
      hear(time, changes);
      events.onChanges(changes);
      check();
    });
    source.addEventListener("heartbeat", ({ data }: MessageEvent<string>) => {
      hear((JSON.parse(data) as { time: number }).time, []);
      check();
    });
    source.addEventListener("error", () => {
      // A browser comes back by itself, but not where it was answered with a refusal.
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS);
    });
  };

  write(element("line"), "waiting for the gateway");
  setInterval(check, 1_000);
  listen();
  return { isLive: () => isLive, nowMs: () => Date.now() + clockMs };
}

function liveText(detail: string | undefined): string {
  return detail === undefined ? "live" : `live, but ${detail}`;
}
