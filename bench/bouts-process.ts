/**
 * A child of `bench -- footprint`: what the bouts of a herd take of a gateway's memory and time.
 *
 *     node --expose-gc bench/bouts-process.ts <nodes>
 *
 * Every node has its open windows, one each hop of the shipped cattle profile for as long as the default
 * settings keep them open, a tenth of them taught, and two days of bouts that stand, two minutes each: as
 * a gateway that runs for days has them. Counted is what is given back when they are forgotten. Before
 * that each node reports one more window, five times.
 */

import { parseConfig } from "../gateway/config/config.ts";
import { createState, type GatewayState, newDiscovery } from "../gateway/gateway-state.ts";
import { restoreBehaviours } from "../gateway/herd/behaviour-desk.ts";
import { newBehaviourDesk } from "../gateway/herd/behaviour-state.ts";
import { DEFAULT_ROLLOUT_POLICY } from "../gateway/release/rollout.ts";
import { DAY_MS } from "../src/behaviour/budget.ts";
import type { Answer, SeenWindow } from "../src/behaviour/open-windows.ts";
import { type Bout, stepTrack } from "../src/behaviour/track.ts";
import { below, type Prng, prng } from "../src/prng.ts";
import { hopMs } from "../src/signal/profile.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { nodeId, topicBase } from "../src/wire/topics.ts";

const profile = shippedProfile("cattle");
const HOP_MS = hopMs(profile);
const WINDOW_MS = (1000 * profile.windowSamples) / profile.rateHz;
const BOUT_MS = 120_000;
const TAUGHT_SHARE = 0.1;
const MORE_WINDOWS = 5;
const NOW_MS = Date.UTC(2026, 0, 5, 12);

const SWEEP_MS = 100;

function emptyState(): GatewayState {
  const { behaviours, base, nodesMax, silences } = parseConfig("", "footprint.yaml", {});
  const { classes, windowSamples, channels, rateHz } = profile;
  const settings = {
    ...{ base: topicBase(base), classes, nodesMax, silences },
    teacher: { id: "feedfeedfeedfeed", windowSamples, channels, rateHz },
    version: "footprint",
    startedMs: NOW_MS,
    rolloutPolicy: DEFAULT_ROLLOUT_POLICY,
    devicesMs: 1_000,
  };
  const desk = newBehaviourDesk(behaviours, profile, { hopMs: HOP_MS, windowMs: WINDOW_MS });
  return createState(settings, [], 0, desk, newDiscovery(false));
}

function windowAt(index: number, endMs: number, random: Prng): SeenWindow {
  const answer = (): Answer => ({
    classIndex: Math.floor((index * HOP_MS) / BOUT_MS) % profile.classes.length,
    confidence: (128 + below(random, 128)) / 255,
  });
  const isTaught = below(random, 1000) < 1000 * TAUGHT_SHARE;
  return {
    ...{ timeMs: endMs, epoch: 1, windowIndex: index },
    student: answer(),
    teacher: isTaught ? answer() : null,
  };
}

function addNode(state: GatewayState, index: number): void {
  const { openMs } = state.behaviours.rule;
  const random = prng(1, `node ${index}`);
  const count = Math.floor(openMs / HOP_MS);
  const windows = Array.from({ length: count }, (_, i) =>
    windowAt(i, NOW_MS - (count - 1 - i) * HOP_MS, random),
  );
  const sealedMs = NOW_MS - openMs;
  const standing = (2 * DAY_MS) / BOUT_MS;
  const recent = Array.from({ length: standing }, (_, i): Bout => {
    const endMs = sealedMs - (standing - 1 - i) * BOUT_MS;
    return {
      ...{ number: i + 1, classIndex: i % profile.classes.length },
      ...{ startMs: endMs - BOUT_MS, endMs, confidence: 0.9 },
      ...{ windows: Math.round(BOUT_MS / HOP_MS), taught: 5, over: true },
    };
  });
  const last = recent.at(-1) ?? null;
  const next = recent.length + 1;
  const stored = { last, open: [], next, recent, windows, days: [] };
  restoreBehaviours(state, nodeId(`collar-${index + 1}`), stored, NOW_MS);
}

/** Megabytes of V8's heap and of buffers, which are given back a moment after they were collected. */
async function countedMb(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, SWEEP_MS));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 2 ** 20;
}

/** Microseconds for one more window of one node. */
function reportMore(state: GatewayState): number {
  const { rule, nodes } = state.behaviours;
  const random = prng(2, "more");
  const first = Math.floor(rule.openMs / HOP_MS);
  const startMs = performance.now();
  for (let more = 0; more < MORE_WINDOWS; more++) {
    const windows = [windowAt(first + more, NOW_MS + (more + 1) * HOP_MS, random)];
    for (const { track } of nodes.values()) stepTrack(track, { kind: "windows", windows }, rule);
  }
  return (1000 * (performance.now() - startMs)) / (MORE_WINDOWS * nodes.size);
}

const state = emptyState();
for (let index = 0; index < Number(process.argv[2]); index++) addNode(state, index);
const held = await countedMb();
const windowMicroseconds = reportMore(state);
state.behaviours.nodes.clear();
// What the program itself needs is there before and after, and not counted.
const figures = { countedMb: held - (await countedMb()), windowMicroseconds };
process.stdout.write(`${JSON.stringify(figures)}\n`);
