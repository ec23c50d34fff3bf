/**
 * What a cohort shall run: publishes candidates, goes back, and picks up what a kill left half done.
 *
 * The order of writing is container, release, rollout state. After a kill between the first two the
 * candidate is forgotten and distilled again; between the last two the release is found without a
 * rollout, and its rollout begins with what may be expected of any student.
 */

import { assert } from "../../src/assert.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { gateOf } from "../../src/gate/gate-bytes.ts";
import { decodeContainer } from "../../src/model/container.ts";
import type { ModelId } from "../../src/wire/messages.ts";
import type { NodeRow } from "../store/label-rows.ts";
import type { Registry } from "./registry.ts";
import { readableBy } from "./release-fit.ts";
import type { ReleaseKeys } from "./release-keys.ts";
import { signRelease } from "./release-signing.ts";
import { type Rollout, startRollout } from "./rollout.ts";
import type { Expectation } from "./rollout-evidence.ts";

/** A student as it is kept: the container, and the ONNX file of the floats it was made from. */
export type KeptStudent = { readonly container: Uint8Array; readonly student: Uint8Array };

/** The same of a model that somebody pushed: the floats may be lacking, and nothing can be distilled
 * from it then. */
export type Kept = { readonly container: Uint8Array; readonly student: Uint8Array | undefined };

export type Served = { readonly rollout: Rollout; readonly modelId: ModelId };

export type ReleaseDeskOptions = {
  readonly registry: Registry;
  readonly keys: ReleaseKeys;
  readonly engine: Engine;
  /** What nodes run before their first release. */
  readonly factory: KeptStudent;
};

/** Below this agreement with the teacher something is wrong with any student. */
export const AGREEMENT_OF_ANY = 0.6;

const NOBODY_STEERED = { unfit: {}, first: [], pausedSinceMs: null };

export class ReleaseDesk {
  readonly cohort: string;
  readonly #options: ReleaseDeskOptions;
  readonly #factoryModel: ModelId;

  constructor(options: ReleaseDeskOptions) {
    this.#options = options;
    const { registry, factory } = options;
    this.cohort = decodeContainer(factory.container).cohort;
    this.#factoryModel = registry.putModel(factory.container, factory.student);
  }

  /** What nodes shall run now, and the release that says so; sequence 0 is the factory's. */
  current(): Kept & { readonly modelId: ModelId; readonly sequence: number } {
    const latest = this.#latest();
    const modelId = latest?.modelId ?? this.#factoryModel;
    const student = this.#options.registry.student(modelId);
    return {
      container: this.#container(modelId),
      student,
      modelId,
      sequence: latest?.sequence ?? 0,
    };
  }

  /** Puts the candidate into the registry, signed, and begins its rollout. */
  publish(
    candidate: Kept,
    expected: Expectation,
    nowMs: number,
    rows: readonly Pick<NodeRow, "releaseSequence">[],
  ): Served {
    const former = this.#latest()?.sequence;
    this.#options.registry.putModel(candidate.container, candidate.student);
    const highestSeen = highestSequence(rows);
    return this.#release(candidate.container, "release", former, expected, nowMs, highestSeen);
  }

  /** A new release of the former model, for everyone at once, also for those of the nodes `rows` that
   * read no operating points. Undefined where the rollout was itself a way back, or another release
   * has come since. */
  rollBack(rollout: Rollout, nowMs: number, rows: readonly NodeRow[]): Served | undefined {
    const isLatest = this.#latest()?.sequence === rollout.sequence;
    if (rollout.purpose === "rollback" || !isLatest) return undefined;
    const { registry } = this.#options;
    const former = registry.release(rollout.formerSequence ?? 0);
    const modelId = former?.manifest.modelId ?? this.#factoryModel;
    const container = readableBy(rows, this.#container(modelId), nowMs);
    registry.putModel(container, registry.student(modelId));
    const nothing = { agreement: 0, offloadShare: 1 };
    const highestSeen = highestSequence(rows);
    return this.#release(container, "rollback", undefined, nothing, nowMs, highestSeen);
  }

  /** The rollout to go on with after a start; undefined where nothing was ever released. */
  resume(nowMs: number, rows: readonly NodeRow[]): Served | undefined {
    const latest = this.#latest();
    if (latest === undefined) return undefined;
    const rollout = this.#savedRollout();
    if (rollout?.sequence === latest.sequence) {
      const back =
        rollout.state === "rolled-back" ? this.rollBack(rollout, nowMs, rows) : undefined;
      return back ?? { rollout, modelId: latest.modelId };
    }
    const { sequence, modelId, purpose } = latest;
    const container = this.#container(modelId);
    return {
      modelId,
      rollout: startRollout(
        {
          sequence,
          purpose,
          cohort: this.cohort,
          formerSequence: rollout?.sequence,
          expected: {
            agreement: AGREEMENT_OF_ANY,
            offloadShare: budgetShare(container),
          },
        },
        nowMs,
      ),
    };
  }

  #release(
    container: Uint8Array,
    purpose: "release" | "rollback",
    formerSequence: number | undefined,
    expected: Expectation,
    nowMs: number,
    highestSeen: number,
  ): Served {
    const { registry, engine, keys } = this.#options;
    const sequence = registry.nextSequence(highestSeen);
    const statement = { container, sequence, purpose, createdMs: nowMs };
    const release = signRelease(statement, engine, keys);
    registry.putRelease(release);
    return {
      modelId: release.manifest.modelId,
      rollout: startRollout(
        { sequence, purpose, cohort: this.cohort, formerSequence, expected },
        nowMs,
      ),
    };
  }

  #latest() {
    const all = this.#options.registry.releases();
    return all.map((release) => release.manifest).findLast((m) => m.cohort === this.cohort);
  }

  #savedRollout(): Rollout | undefined {
    const json = this.#options.registry.cohortState(this.cohort);
    if (json === undefined) return undefined;
    const { rollout } = JSON.parse(json) as { rollout: Rollout };
    // Earlier versions knew of no node that could not hold a release, and of nobody who steers.
    return { ...NOBODY_STEERED, ...rollout };
  }

  #container(modelId: ModelId): Uint8Array {
    const container = this.#options.registry.container(modelId);
    // The registry sets releases aside whose container is missing.
    assert(container !== undefined, `model ${modelId} is complete`);
    return container;
  }
}

/** The highest release that any node has reported; 0 for none. */
function highestSequence(rows: readonly Pick<NodeRow, "releaseSequence">[]): number {
  return Math.max(0, ...rows.map(({ releaseSequence }) => releaseSequence));
}

/** The largest share of windows that this gate's bucket lets through. */
export function budgetShare(container: Uint8Array): number {
  return Math.min(1, 256 / gateOf(decodeContainer(container)).bucket.windowsPerTokenQ8);
}
