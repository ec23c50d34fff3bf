/**
 * The loop's driver: from the gateway's news to a better student that spreads.
 *
 * It decides nothing by itself: `distil-trigger.ts` says when, `distil-labels.ts` from what,
 * `distil.ts` how, `distil-measure.ts` whether, `rollout.ts` how far. It performs what they say and
 * tells people. Everything that must survive is in the label log and the registry; a distillation that
 * a restart interrupts begins again, because the answers it used are still marked as fresh.
 */

import { gateOf } from "../../src/gate/gate-bytes.ts";
import { decodeContainer } from "../../src/model/container.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import type { BridgeInfo } from "../../src/wire/public.ts";
import type { GatewayDependencies } from "../gateway-dependencies.ts";
import type { GatewayNews } from "../gateway-state.ts";
import { DEFAULT_AUDIT_RULE } from "../herd/audit-control.ts";
import { AuditDesk } from "../herd/audit-desk.ts";
import type { Served } from "../release/release-desk.ts";
import { candidateFit, cohortFit } from "../release/release-fit.ts";
import type { Rollout } from "../release/rollout.ts";
import type { RunningGateway } from "../run-gateway.ts";
import type { LabelReader } from "../store/label-reader.ts";
import { isLearnable, type NodeRow } from "../store/label-rows.ts";
import type { TrustVerdict } from "../teacher/teacher-trust.ts";
import { lessonCount, lessonsText } from "./distil-lessons.ts";
import {
  type LoopProgress,
  type LoopSettings,
  type OpenLoop,
  openLoopParts,
} from "./distil-loop-parts.ts";
import type { Judge } from "./distil-measure.ts";
import {
  committed,
  expectationOf,
  finishedText,
  leftOutText,
  NO_FLOATS,
  notTrustedText,
  readLessons,
} from "./distil-occasion.ts";
import type { DistilAnswer } from "./distil-task.ts";
import { decideDistillation, type ToDistil, type TriggerDecision } from "./distil-trigger.ts";
import { Distiller } from "./distiller.ts";
import { FreshAnswers } from "./fresh-answers.ts";
import { LoopAlarms } from "./loop-alarms.ts";
import { HELD_NOTE, toBegin } from "./loop-control.ts";

/** Opens everything that the loop keeps, and fits the teacher's novelty test: some seconds. */
export async function openDistilLoop(settings: LoopSettings): Promise<DistilLoop> {
  return new DistilLoop(settings, await openLoopParts(settings));
}

type LoopDependencies = Omit<GatewayDependencies, "hopMs" | "log" | "unlock"> &
  Required<Pick<GatewayDependencies, "registry">>;

export class DistilLoop {
  readonly #settings: LoopSettings;
  readonly #parts: OpenLoop;
  readonly #distiller = new Distiller();
  readonly #audits: AuditDesk;
  readonly #alarms = new LoopAlarms();
  #fresh: FreshAnswers;
  #progress: LoopProgress;
  #gateway: RunningGateway | undefined;
  #rollout: Rollout | undefined;
  #ticking: NodeJS.Timeout | undefined;
  #working: Promise<void> = Promise.resolve();
  #isWorking = false;
  #askedMs = 0;
  #toldShare = 0;
  #trusted = true;
  #stopped = false;
  // An operator wants none.
  #interrupted = false;
  #releaseChance: number | undefined;
  #freshPeople: ReturnType<LabelReader["personFresh"]> | undefined;
  #taughtPersonId = 0;

  constructor(settings: LoopSettings, parts: OpenLoop) {
    this.#settings = settings;
    this.#parts = parts;
    this.#audits = new AuditDesk(settings.audits ?? DEFAULT_AUDIT_RULE);
    this.#progress = parts.progress;
    this.#fresh = new FreshAnswers([], parts.progress.usedOffloadId);
  }

  /** What `startGateway` is to be given beside the log. */
  get dependencies(): LoopDependencies {
    const { coarse } = this.#settings;
    const { teacher, trust, coarseTrust, tail, tailTrust, registry } = this.#parts;
    return {
      ...{ teacher, trust, coarse, coarseTrust, tail, tailTrust, registry },
      onNews: (news) => this.#hear(news),
      rollBack: (rollout, reason) => this.#goBack(rollout, reason),
      control: {
        desk: this.#parts.desk,
        registry: this.#parts.registry,
        profile: this.#settings.profile,
        canaryAuditChance: this.#canaryChance,
        serve: (served) => this.#serve(served),
        begin: () => this.#begin(),
        hold: () => this.#hold(),
      },
    };
  }

  /** Begins to drive: goes on with what the last run left, then looks at the herd once a while. */
  attach(gateway: RunningGateway): void {
    this.#gateway = gateway;
    this.#fresh = FreshAnswers.from(gateway.labels(), this.#progress.usedOffloadId);
    for (const row of gateway.nodes()) {
      // Its burst may be in the log already: what came since the last distillation counts.
      if (row.alarm) this.#alarms.raise(row.node, this.#progress.lastDistilMs);
    }
    this.#countPeople();
    const unfinished = this.#parts.desk.resume(Date.now(), this.#rows);
    if (unfinished !== undefined) this.#serve(unfinished);
    this.#ticking = setInterval(() => this.#look(), this.#settings.lookMs ?? 1000);
  }

  /** Ends a running distillation; it begins again with the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#ticking);
    await this.#distiller.stop();
    await this.#working;
  }

  /** Begins a distillation from what there is, by an operator's word. Returns from how many answers. */
  #begin(): number {
    const trusted = this.#fresh.all.filter((answer) => answer.trusted).length;
    const { labelsLeast: least } = this.#settings.trigger;
    const [isWorking, isSpreading] = [this.#isWorking, this.#isSpreading];
    const decision = this.#decide(Date.now(), true);
    const begun = toBegin({ isWorking, isSpreading, trusted, least, decision });
    this.#saveProgress({ ...this.#progress, held: false });
    this.#start(begun);
    return begun.cause === "people" ? (this.#freshPeople?.fresh ?? 0) : trusted;
  }

  /** Ends a running distillation and begins none until an operator says so. */
  #hold(): boolean {
    this.#saveProgress({ ...this.#progress, held: true });
    this.#interrupted = this.#isWorking;
    void this.#distiller.stop();
    if (!this.#isSpreading) this.#tell("idle", null, HELD_NOTE);
    return this.#interrupted;
  }

  #saveProgress(progress: LoopProgress): void {
    this.#parts.saveProgress(progress);
    this.#progress = progress;
  }

  #hear(news: GatewayNews): void {
    const asked = this.#audits.hear(news, this.#ofRelease());
    if (asked !== undefined && !this.#isSpreading) this.#set(asked, this.#auditChance(asked), 0);
    const alarm = this.#alarms.hear(news, Date.now());
    if (alarm !== undefined) this.#gateway?.tellDiary(alarm);
    if (news.kind === "label") {
      const { item, trusted } = news;
      if (!news.sound || !isLearnable(item.offload.encoding)) return;
      const { offloadId, node } = item;
      this.#fresh.add({ offloadId, node, trusted, answeredMs: Date.now() });
    } else if (news.kind === "outcome" && news.outcome === "activated") {
      if (this.#isSpreading) this.#set(news.node, this.#canaryChance, 0);
    } else if (news.kind === "person") {
      if (news.fresh) this.#countPeople();
    } else if (news.kind === "rollout") {
      this.#rollout = news.rollout;
      if (news.rollout.state !== "spreading") this.#endCanary(news.rollout);
    }
  }

  #look(): void {
    if (this.#isWorking || this.#isSpreading) return;
    if (this.#stopped || this.#progress.held) return;
    const nowMs = Date.now();
    const decision = this.#decide(nowMs, false);
    switch (decision.kind) {
      case "idle":
        return;
      case "collect":
        return this.#collect(decision.missing, decision.nodes, nowMs);
      case "not-trusted":
        return this.#refuseTeacher(decision.verdict);
      case "distil":
        return this.#start(decision);
    }
  }

  #decide(nowMs: number, asked: boolean): TriggerDecision {
    const { lastDistilMs } = this.#progress;
    const state = { alarms: this.#alarms.since, fresh: this.#fresh.all, people: this.#freshPeople };
    return decideDistillation({ ...state, lastDistilMs, asked }, this.#settings.trigger, nowMs);
  }

  #start(decision: ToDistil): void {
    if (decision.cause !== "people") this.#trusted = true;
    this.#isWorking = true;
    this.#interrupted = false;
    this.#working = this.#distil(decision)
      .catch((error: unknown) => {
        this.#settings.log("error", "distillation failed", { reason: String(error) });
      })
      .finally(() => {
        this.#isWorking = false;
      });
  }

  /** A node starts a burst by itself when it raises its alarm; it is asked again when that was not
   * enough, no sooner than half the patience later. */
  #collect(missing: number, nodes: readonly NodeId[], nowMs: number): void {
    const wanted = this.#settings.trigger.labelsWanted;
    const note = `${nodes.length} nodes in alarm, ${missing} more answers wanted`;
    this.#tell("collecting", 1 - missing / wanted, note);
    const since = Math.max(this.#askedMs, ...this.#alarms.since.values());
    if (nowMs - since < this.#settings.trigger.patienceMs / 2) return;
    this.#askedMs = nowMs;
    const each = Math.ceil(missing / nodes.length);
    for (const node of nodes) this.#set(node, this.#auditChance(node), each);
  }

  #refuseTeacher(verdict: TrustVerdict): void {
    this.#trusted = false;
    const message = notTrustedText(verdict);
    this.#gateway?.tellDiary({ type: "not-trusted", message });
    this.#settings.onReport?.({ kind: "not-trusted", verdict });
    this.#markUsed();
    this.#tell("not-trusted", null, message);
  }

  async #distil(decision: ToDistil): Promise<void> {
    const startedMs = Date.now();
    const { cause } = decision;
    await committed(this.#gateway, this.#fresh.newestOffloadId);
    // Ended before there was a thread that could be told.
    if (this.#stopped || this.#interrupted) return;
    const trust = cause === "people" ? undefined : decision.verdict;
    const lessons = readLessons(this.#gateway?.labels(), this.#progress, trust, this.#settings);
    this.#taughtPersonId = lessons.taughtPersonId;
    const counts = lessonsText(lessons);
    if (lessonCount(lessons) < this.#settings.trigger.labelsLeast / 2) {
      this.#finish("candidate-refused", `${counts} are too few: ${leftOutText(lessons.labels)}`);
      return;
    }
    const { student, ...present } = this.#parts.desk.current();
    if (student === undefined) return this.#finish("candidate-refused", NO_FLOATS);
    const current = { ...present, student };
    // A candidate has the shape of the student that it goes on from, and so its size.
    const fit = candidateFit(this.#rows, current.container, startedMs);
    if (fit.nobody) {
      this.#finish("candidate-refused", `no node could hold the candidate: ${fit.text}`);
      return;
    }
    this.#gateway?.tellDiary({ type: "distill-started", message: `${cause}: ${counts}` });
    this.#tell("distilling", 0, counts);
    const { profile, anchor, recipe, publish, seed, engine } = this.#settings;
    const end = await this.#distiller.run(
      {
        ...{ profile, anchor, ...lessons, current, recipe, rule: publish },
        readsPoints: fit.readsPoints,
        seed: seed + current.sequence,
        ...(engine !== undefined && { engine }),
      },
      (stage, share) => this.#tellProgress(stage, share),
    );
    // Ended early: the answers stay fresh, and the next start begins again.
    if (this.#stopped) return;
    if (this.#interrupted) return this.#tell("idle", null, HELD_NOTE);
    if (end.kind === "failed") {
      this.#settings.log("error", "distillation failed", { reason: end.message });
      this.#finish("candidate-refused", `distillation failed: ${end.message}`);
      return;
    }
    const seconds = (Date.now() - startedMs) / 1000;
    this.#settings.onReport?.({ kind: "distilled", cause, seconds, lessons, answer: end });
    if (end.kind === "refused") this.#finish("candidate-refused", end.reasons.join("; "));
    else if (this.#parts.desk.current().sequence !== current.sequence) {
      this.#finish("candidate-refused", "another release came while it was made");
    } else this.#publish(end, lessons.judge);
  }

  #publish(candidate: Extract<DistilAnswer, { kind: "candidate" }>, judge: Judge): void {
    const { report } = candidate;
    const fit = cohortFit(this.#rows, this.#parts.desk.cohort, candidate.container);
    if (fit.nobody) {
      this.#finish("candidate-refused", `no node can hold it: ${fit.text}`);
      return;
    }
    const expected = expectationOf(candidate, this.#canaryChance, judge);
    const served = this.#parts.desk.publish(candidate, expected, Date.now(), this.#rows);
    this.#finish("distill-finished", finishedText(report, fit.text, judge));
    this.#serve(served);
  }

  #goBack(rollout: Rollout, reason: string): void {
    const back = this.#parts.desk.rollBack(rollout, Date.now(), this.#rows);
    this.#settings.onReport?.({ kind: "rolled-back", rollout, reason });
    // The gateway is in the middle of the step that rolled back; the new release is its next event.
    if (back !== undefined) this.#serve(back);
  }

  #serve(served: Served): void {
    this.#releaseChance = undefined;
    this.#rollout = served.rollout;
    if (served.rollout.state === "spreading") {
      this.#tell("rollout", null, `release ${served.rollout.sequence}`);
    }
    this.#gateway?.serve(served.rollout, served.modelId);
  }

  #endCanary(rollout: Rollout): void {
    const how = rollout.state === "done" ? "runs everywhere" : `went back: ${rollout.reason}`;
    this.#tell("idle", null, `release ${rollout.sequence} ${how}`);
    for (const node of Object.keys(rollout.nodes)) {
      this.#set(node as NodeId, this.#auditChance(node as NodeId), 0);
    }
  }

  #finish(type: "candidate-refused" | "distill-finished", message: string): void {
    this.#gateway?.tellDiary({ type, message: message.slice(0, 400) });
    this.#markUsed();
    this.#tell("idle", null, message);
  }

  /** These answers have been judged: only new ones can change the outcome. */
  #markUsed(): void {
    const usedOffloadId = this.#fresh.newestOffloadId;
    this.#fresh.clear();
    const usedPersonId = Math.max(this.#progress.usedPersonId, this.#taughtPersonId);
    const used = { usedOffloadId, usedPersonId, lastDistilMs: Date.now() };
    this.#saveProgress({ ...this.#progress, ...used });
    this.#countPeople();
    this.#alarms.keep(this.#rows.filter((row) => row.alarm).map(({ node }) => node));
  }

  #countPeople(): void {
    this.#freshPeople = this.#gateway?.labels().personFresh(this.#progress.usedPersonId);
  }

  get #rows(): readonly NodeRow[] {
    return this.#gateway?.nodes() ?? [];
  }

  get #isSpreading(): boolean {
    return this.#rollout?.state === "spreading";
  }

  get #canaryChance(): number {
    return this.#settings.canaryAuditChance ?? 0.1;
  }

  #auditChance(node: NodeId): number {
    return this.#audits.chanceOf(node, this.#ofRelease());
  }

  /** What the current release's gate carries; asked for with every report, so it is kept. */
  #ofRelease(): number {
    const read = (): number =>
      gateOf(decodeContainer(this.#parts.desk.current().container)).auditChanceQ16 / 65535;
    this.#releaseChance ??= read();
    return this.#releaseChance;
  }

  #set(node: NodeId, auditChance: number, burstWindows: number): void {
    const auditChanceQ16 = Math.round(65535 * auditChance);
    this.#gateway?.send(node, { kind: "setting", auditChanceQ16, burstWindows });
  }

  #tellProgress(stage: "training" | "measuring", share: number): void {
    const message = `${stage}, ${(100 * share).toFixed(0)} %`;
    // The diary is for people: a line a quarter. The retained state follows closely.
    const isDue = Math.floor(4 * share) > Math.floor(4 * this.#toldShare);
    this.#toldShare = share;
    if (isDue) this.#gateway?.tellDiary({ type: "distill-progress", progress: share, message });
    this.#tell(stage === "training" ? "distilling" : "evaluating", share, message);
  }

  #tell(state: BridgeInfo["loop"]["state"], progress: number | null, note: string): void {
    const clamped = progress === null ? null : Math.max(0, Math.min(1, progress));
    this.#gateway?.tellLoop({ state, progress: clamped, note: note.slice(0, 400) }, this.#trusted);
  }
}
