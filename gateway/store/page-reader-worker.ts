/** The thread that reads the store for pages, over a connection that cannot write. See `page-reader.ts`. */

import { parentPort, workerData } from "node:worker_threads";
import { assert, unreachable } from "../../src/assert.ts";
import type { Span } from "../../src/behaviour/budget.ts";
import {
  ANIMAL_LIMITS,
  animalDay,
  animalWindow,
  daySpan,
  listedWindow,
} from "../http/animal-day.ts";
import type { AnimalNear, AnimalWindows } from "../http/animal-payloads.ts";
import { GROUP_LIMITS, groupDay, knownOf } from "../http/group-day.ts";
import type { LoopCurves } from "../http/loop-payloads.ts";
import { loopCurves } from "./label-curve.ts";
import type { NearWindows } from "./label-near.ts";
import { openLabelReader } from "./label-reader.ts";
import type {
  FromPageReader,
  PageAnswer,
  PageQuestion,
  PageReaderOptions,
  ToPageReader,
} from "./page-reader.ts";

const port = parentPort;
assert(port !== null, "runs as a worker");
const { file, classes, rule } = workerData as PageReaderOptions;
const reader = openLabelReader(file);

port.on("message", ({ number, question }: ToPageReader) => {
  port.postMessage({ number, answer: answerTo(question) } satisfies FromPageReader);
});

function answerTo(question: PageQuestion): PageAnswer {
  if (question.kind === "curves") return said(curves());
  if (question.kind === "group") return groupOn(question.group, question.day);
  const { node } = question;
  if (!reader.knows(node)) return missing("the store knows no such node");
  switch (question.kind) {
    case "animal": {
      const known = reader.boutSpan(node) ?? null;
      const span = daySpan(question.day, known, rule.utcOffsetMs);
      if (span === null) return missing("there is no such day");
      const bouts = reader.bouts(node, span.startMs, span.endMs);
      const hours = reader.hours(node, span);
      const days = reader.days(node, classes.length);
      return said(animalDay({ node, span, known, bouts, hours, days }, classes, rule));
    }
    case "windows": {
      const span = daySpan(question.day, reader.boutSpan(node) ?? null, rule.utcOffsetMs);
      if (span === null) return missing("there is no such day");
      return said(windowsOf(node, { ...span, startMs: startOf(span, question.afterMs) }));
    }
    case "window": {
      const window = reader.window(node, question.offloadId);
      if (window === undefined) return missing("the store has no such window of that node");
      return said(animalWindow(node, window, classes));
    }
    case "near": {
      const near = reader.near(node, question.offloadId, ANIMAL_LIMITS.near);
      if (near === undefined) return missing("the store has no such window of that node");
      return said(nearTo(node, question.offloadId, near));
    }
    default:
      return unreachable(question);
  }
}

function groupOn(group: string, day: string | undefined): PageAnswer {
  const names = rule.groups.get(group);
  if (names === undefined) return missing("the settings have no such group");
  const spans = names.slice(0, GROUP_LIMITS.nodes).map((node) => {
    return { node, known: reader.boutSpan(node), bouts: [] };
  });
  const known = knownOf(spans);
  const span = daySpan(day, known, rule.utcOffsetMs);
  if (span === null) return missing("there is no such day");
  const members = spans.map((one) => {
    const isKnown = one.known !== undefined;
    return { ...one, bouts: isKnown ? reader.bouts(one.node, span.startMs, span.endMs) : [] };
  });
  return said(groupDay(group, span, known, members, classes, rule));
}

/** Thousands of answers are gone through, and a few more change nothing. */
const CURVES_MS = 30_000;
let keptCurves: { readonly madeMs: number; readonly told: LoopCurves } | undefined;

function curves(): LoopCurves {
  if (keptCurves === undefined || performance.now() - keptCurves.madeMs > CURVES_MS) {
    keptCurves = { told: loopCurves(reader), madeMs: performance.now() };
  }
  return keptCurves.told;
}

function startOf(span: Span, afterMs: number | undefined): number {
  return afterMs === undefined ? span.startMs : Math.max(span.startMs, afterMs + 1);
}

function windowsOf(node: string, span: Span): AnimalWindows {
  const { windows, more } = reader.offloads(node, span, ANIMAL_LIMITS.windows);
  return { v: 1, node, windows: windows.map((window) => listedWindow(window, classes)), more };
}

function nearTo(node: string, id: number, { bout, before, after }: NearWindows): AnimalNear {
  const whole = (ids: readonly number[]) =>
    ids.flatMap((one) => {
      const window = reader.window(node, one);
      return window === undefined ? [] : [animalWindow(node, window, classes)];
    });
  const span = bout === null ? null : { start: bout.startMs, end: bout.endMs };
  return { v: 1, node, id, bout: span, before: whole(before), after: whole(after) };
}

function said(value: object): PageAnswer {
  return { status: 200, json: JSON.stringify(value) };
}

function missing(error: string): PageAnswer {
  return { status: 404, json: JSON.stringify({ error }) };
}
