/**
 * From a trained float student to the container that nodes run: quantized, its gate calibrated.
 *
 * Training, the distiller and every benchmark pack students here, so that what is measured is what
 * ships.
 */

import type { Engine } from "../engine/engine.ts";
import { type Container, decodeContainer, encodeContainer } from "../model/container.ts";
import type { QuantizedEncoder } from "../model/encoder.ts";
import { quantizeStudent } from "../model/quantize.ts";
import type { QuantizeOptions } from "../model/quantize-trace.ts";
import type { QuantizedStudent } from "../model/student.ts";
import type { FloatStudent } from "../model/student-spec.ts";
import type { Augmentation } from "../signal/augment.ts";
import { cohortOf, hopMs, type Profile } from "../signal/profile.ts";
import type { WindowSet } from "../signal/window-set.ts";
import { type Calibration, type CalibrationRequest, calibrateGate } from "./calibrate.ts";
import { encodeGate } from "./gate-bytes.ts";
import { OPERATING_SHARES } from "./fit-points.ts";
import type { GateTarget } from "./offload-target.ts";
import { encodePoints } from "./operating-points.ts";

export type PackRequest = {
  readonly profile: Profile;
  readonly student: FloatStudent;
  /** Windows that it was trained on: ranges of activations, and what is not novel. */
  readonly trained: WindowSet;
  /** Windows that it was not trained on, by bout at least, in order of time within a bout. */
  readonly held: WindowSet;
  /** What the student was trained with: such views are not novel to it. */
  readonly augmentation: Augmentation;
  readonly engine: Engine;
  readonly seed: number;
  readonly target?: GateTarget;
  /** As calibration takes it: without it the held windows have to do. */
  readonly rehearsal?: CalibrationRequest["rehearsal"];
  /** Where they are not to be the usual ones; none for nodes that do not read them. */
  readonly operatingShares?: readonly number[];
  /** Reads the same windows in the same steps; the exits do not depend on it. */
  readonly encoder?: QuantizedEncoder | undefined;
  /** Where it is not to be the default: int8, 8 bits, calibrated on `trained`. */
  readonly quantization?: Partial<QuantizeOptions>;
};

export type PackedStudent = {
  readonly container: Container;
  readonly bytes: Uint8Array;
  readonly calibration: Calibration;
};

/** Few enough to pay on a battery, many enough that audits find what the student cannot see. */
const TARGET: GateTarget = { kind: "offload-share", share: 0.05 };

export function packStudent(request: PackRequest): PackedStudent {
  const { profile, student, trained, held, augmentation, engine, seed } = request;
  const { inputMilligPerStep } = profile;
  const quantized = quantizeStudent(student, trained, inputMilligPerStep, request.quantization);
  const bare = containerOf(profile, quantized);
  const calibration = calibrateGate({
    student: engine.load(bare),
    trained,
    held,
    augmentation,
    target: request.target ?? TARGET,
    windowsPerNodeDay: 86_400_000 / hopMs(profile),
    seed,
    operatingShares: request.operatingShares ?? OPERATING_SHARES,
    ...(request.rehearsal !== undefined && { rehearsal: request.rehearsal }),
  });
  const { encoder } = request;
  const points = encodePoints(calibration.parameters);
  const bytes = encodeContainer({
    ...bare,
    ...(encoder !== undefined && { encoder }),
    ...(points !== undefined && { points }),
    gate: encodeGate(calibration.parameters),
  });
  return { container: decodeContainer(bytes), bytes, calibration };
}

/** A student of the profile's windows that has no gate yet. */
export function containerOf(profile: Profile, student: QuantizedStudent): Container {
  return {
    student,
    classes: profile.classes,
    cohort: cohortOf(profile),
    rateCentihertz: Math.round(profile.rateHz * 100),
    hopSamples: profile.hopSamples,
    inputMilligPerStep: profile.inputMilligPerStep,
    gate: new Uint8Array(0),
  };
}
