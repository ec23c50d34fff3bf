/** Audits follow what is known: rarer while a node is well known, more often when it fails. */
import { describe, expect, it } from "vitest";
import type { GatewayNews } from "../gateway/gateway-state.ts";
import {
  auditChance,
  halfWidth,
  learnAudit,
  NEW_AUDIT_CONTROL,
  DEFAULT_AUDIT_RULE as RULE,
  stepAudit,
} from "../gateway/herd/audit-control.ts";
import { AuditDesk } from "../gateway/herd/audit-desk.ts";
import {
  addCounts,
  auditEstimates,
  NO_COUNTS,
  offloadCount,
  verdictCount,
} from "../src/gate/audit-counts.ts";
import { applySetting, gateWindow } from "../src/gate/decide.ts";
import { uncalibratedGate } from "../src/gate/gate-parameters.ts";
import { initialGateState } from "../src/gate/gate-state.ts";
import { chance, prng } from "../src/prng.ts";
import type { ModelId } from "../src/wire/messages.ts";
import { nodeId } from "../src/wire/topics.ts";
import { MODEL, offloadOf } from "./gateway-kit.ts";

const RELEASE = 0.01;
const DAY = 17_280;

/** A node for some days; windows come in reports of 24. Returns chances at the end of each day. */
function live(agreements: readonly number[], seed: number): { chances: number[]; changes: number } {
  const random = prng(seed, "audited");
  let control = NEW_AUDIT_CONTROL;
  let changes = 0;
  const chances = agreements.map((agreement) => {
    for (let report = 0; report < DAY / 24; report++) {
      const probability = auditChance(control, RELEASE);
      for (let i = 0; i < 24; i++) {
        if (!chance(random, probability)) continue;
        const chosen = { audit: true, chanceQ16: Math.round(65535 * probability) };
        control = learnAudit(control, chosen, chance(random, agreement), RULE);
      }
      const step = stepAudit(control, 24, RELEASE, RULE);
      control = step.control;
      changes += Number(step.changed);
      expect(control.factor).toBeGreaterThanOrEqual(RULE.least);
      expect(control.factor).toBeLessThanOrEqual(RULE.most);
    }
    return auditChance(control, RELEASE);
  });
  return { chances, changes };
}

describe("audit control", () => {
  it("spares a node that is well known, without swinging", () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { chances, changes } = live([0.97, 0.97, 0.97, 0.97], seed);
      expect(chances.at(-1)).toBe(RULE.least * RELEASE);
      expect(changes).toBeLessThanOrEqual(6);
    }
  });

  it("doubts a student that begins to fail, and is content again when it is mended", () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { chances } = live([0.97, 0.97, 0.55, 0.55, 0.55, 0.97, 0.97, 0.97, 0.97, 0.97], seed);
      const sure = chances[1] as number;
      expect(sure).toBeLessThan(RELEASE);
      expect(Math.max(...chances.slice(2, 5))).toBeGreaterThan(sure);
      expect(chances.at(-1)).toBe(RULE.least * RELEASE);
    }
  });

  it("asks for more where no verdict comes, up to its bound, and leaves none where none is wanted", () => {
    let control = NEW_AUDIT_CONTROL;
    for (let i = 0; i < 10_000; i++) control = stepAudit(control, 24, RELEASE, RULE).control;
    expect(control.factor).toBe(RULE.most);
    expect(halfWidth(control)).toBe(0.5);
    const off = stepAudit(control, 1_000_000, 0, RULE);
    expect(off.changed).toBe(false);
    expect(auditChance(off.control, 0)).toBe(0);
    expect(auditChance(control, 0.9 / RULE.most)).toBeCloseTo(0.9, 12);
    expect(auditChance(control, 1.1 / RULE.most)).toBe(1);
  });

  it("changes nothing between its two widths, and nothing before audits could have come", () => {
    // All that is remembered, nine in ten agree: half a width of some .055.
    let control = NEW_AUDIT_CONTROL;
    for (let i = 0; i < 300; i++) {
      control = learnAudit(control, { audit: true, chanceQ16: 655 }, i % 10 !== 0, RULE);
    }
    expect(halfWidth(control)).toBeGreaterThan(RULE.sureHalf);
    expect(halfWidth(control)).toBeLessThan(RULE.unsureHalf);
    expect(stepAudit(control, 1e6, RELEASE, RULE).changed).toBe(false);
    const before = RULE.settleAudits / RELEASE - 1;
    expect(stepAudit(NEW_AUDIT_CONTROL, before, RELEASE, RULE).changed).toBe(false);
    expect(stepAudit(NEW_AUDIT_CONTROL, before + 1, RELEASE, RULE).changed).toBe(true);
  });
});

describe("a node with the real gate", () => {
  /** Sure windows that are right as often as `kept`, unsure ones half of the time. */
  function herdDay(kept: number, seed: number) {
    const gate = uncalibratedGate({ exits: 1, classes: 3 });
    const random = prng(seed, "real-gate");
    const desk = new AuditDesk(RULE);
    const node = nodeId("collar-1");
    const release = gate.auditChanceQ16 / 65535;
    let state = initialGateState(gate);
    let counts = NO_COUNTS;
    let agreed = 0;
    const windows = 30_000;
    for (let i = 0; i < windows; i++) {
      const unsure = chance(random, 0.05);
      const logits = Int16Array.of(unsure ? 300 : 2500, 200, 0);
      const exits = [{ logits, features: new Int8Array(1) }];
      const input = { exits, statistics: [0, 0, 0, 0, 0, 0], windowIndex: i };
      const decision = gateWindow(gate, state, input, random);
      state = decision.nextState;
      const agrees = chance(random, unsure ? 0.5 : kept);
      agreed += Number(agrees);
      counts = addCounts(counts, { ...NO_COUNTS, windows: 1 });
      const { offload: reason, chanceQ16 } = decision;
      const news: GatewayNews[] = [];
      if (reason !== null) {
        const chosen = { audit: reason === "audit", chanceQ16 };
        counts = addCounts(addCounts(counts, offloadCount(chosen)), verdictCount(chosen, agrees));
        const offload = offloadOf(i, { reason, chanceQ16 });
        const item = { offloadId: i, node, offload };
        const probabilities = Float32Array.of(1, 0, 0);
        news.push({ kind: "label", item, probabilities, trusted: true, agrees, sound: true });
      }
      if (i % 64 === 63) {
        const report = { modelId: MODEL, windows: 64, driftQ8: 0, alarm: false, sound: true };
        news.push({ kind: "drift", node, ...report });
      }
      for (const entry of news) {
        if (desk.hear(entry, release) === undefined) continue;
        const auditChanceQ16 = Math.round(65535 * desk.chanceOf(node, release));
        state = applySetting(state, { auditChanceQ16, burstWindows: 0 });
      }
    }
    return { estimates: auditEstimates(counts), truth: agreed / windows, state, release };
  }

  it("is audited as the gateway sets it, and what is said of it holds across the settings", () => {
    let covered = 0;
    const lives = 12;
    for (let seed = 1; seed <= lives; seed++) {
      const kept = seed % 2 === 0 ? 0.97 : 0.6;
      const { estimates, truth, state, release } = herdDay(kept, seed);
      const { low, high } = estimates?.agreement ?? { low: 1, high: 0 };
      covered += Number(low <= truth && truth <= high);
      const chanceNow = state.auditChanceQ16 / 65535 / release;
      if (kept > 0.9) expect(chanceNow).toBeCloseTo(RULE.least, 1);
      else expect(chanceNow).toBeGreaterThan(1);
    }
    // 12 lives at 95 %: fewer than 9 would come by chance once in 5,000 times.
    expect(covered).toBeGreaterThanOrEqual(9);
  });
});

describe("audit desk", () => {
  const node = nodeId("collar-1");
  const report = (windows: number, modelId: ModelId = MODEL): GatewayNews => {
    return { kind: "drift", node, modelId, windows, driftQ8: 0, alarm: false, sound: true };
  };
  const verdict = (chanceQ16: number, modelId: ModelId = MODEL): GatewayNews => ({
    kind: "label",
    item: { offloadId: 1, node, offload: offloadOf(1, { reason: "audit", chanceQ16, modelId }) },
    probabilities: Float32Array.of(1, 0, 0),
    trusted: true,
    agrees: true,
    sound: true,
  });

  it("tells a node when its chance changes, and again when it goes on with another", () => {
    const desk = new AuditDesk(RULE);
    expect(desk.hear(report(24), RELEASE)).toBe(undefined);
    expect(desk.hear(report(2000), RELEASE)).toBe(node);
    expect(desk.chanceOf(node, RELEASE)).toBe(2 * RELEASE);
    const told = Math.round(65535 * 2 * RELEASE);
    const answers = [told, 655, 655, told, 655, 655, 655, 655, told].map((chanceQ16) =>
      desk.hear(verdict(chanceQ16), RELEASE),
    );
    expect(answers.map((asked) => asked === node)).toEqual([
      ...[false, false, false, false, false, false, false],
      ...[true, false],
    ]);
  });

  it("judges another model anew, and learns nothing of it from late verdicts on the former", () => {
    const desk = new AuditDesk(RULE);
    desk.hear(report(2000), RELEASE);
    const other = "fedcba9876543210" as ModelId;
    desk.hear(report(1, other), RELEASE);
    expect(desk.chanceOf(node, RELEASE)).toBe(RELEASE);
    for (let i = 0; i < 100; i++) desk.hear(verdict(655), RELEASE);
    // Nothing known: more is asked for.
    expect(desk.hear(report(2000, other), RELEASE)).toBe(node);
    expect(desk.chanceOf(node, RELEASE)).toBe(2 * RELEASE);
  });
});
