/**
 * What an emulator of a wearable's signal knows: parameters fitted from recordings, never samples
 * of them.
 *
 * An *individual* stands for how one collar sat on one animal and how that animal moves. For each
 * behaviour it has a few *states* (head down and biting, head up and chewing, …) that follow each
 * other as a Markov chain in steps of one piece. In a state the signal is a mean gravity, a gait
 * where there is one, and a vector autoregression of three axes about them, with heavy-tailed
 * innovations; each visit to a state draws its own mean and its own strength.
 */

import { z } from "zod";
import { EdgeError } from "../assert.ts";

export const MOST_LAGS = 32;

const finite = z.number();
const vector = z.array(finite).length(3);
/** Lower triangle by rows: `[l00, l10, l11, l20, l21, l22]`. */
const lowerTriangle = z.array(finite).length(6);

const stateSchema = z.strictObject({
  /** Mean gravity, milli-g. */
  mean: vector,
  /** Cholesky factor of how the mean differs from visit to visit, milli-g. */
  meanSpread: lowerTriangle,
  /** Autoregression, one row-major 3x3 matrix per lag. */
  lags: z.array(z.array(finite).length(9)).max(MOST_LAGS),
  /** Cholesky factor of the innovations' covariance, milli-g. */
  innovation: lowerTriangle,
  /** Degrees of freedom of the innovations' Student t; 0 for normal ones. */
  tailDegrees: finite.min(0),
  /** Standard deviation of the logarithm of a visit's strength. */
  strengthSpread: finite.min(0),
  gait: z
    .strictObject({
      /** Mean and standard deviation of the logarithm of the stride's frequency in hertz. */
      logHertz: finite,
      logHertzSpread: finite.min(0),
      /** How much the phase wanders, in radians per root second. */
      phaseWander: finite.min(0),
      /** Per harmonic: cosine and sine for x, then y, then z, milli-g. */
      harmonics: z.array(z.array(finite).length(6)),
      /** Standard deviation of a visit's own harmonic coefficients, milli-g, per harmonic. */
      harmonicSpread: z.array(finite.min(0)),
    })
    .optional(),
});

const behaviourSchema = z.strictObject({
  states: z.array(stateSchema).min(1),
  /** Chance of each state at the start of a bout. */
  start: z.array(finite.min(0)),
  /** Row by row: chance of the next piece's state. */
  next: z.array(z.array(finite.min(0))),
});

const parametersSchema = z.strictObject({
  format: z.literal("bellwether-emulator-1"),
  /** The profile whose rate and classes these are. */
  profile: z.string(),
  rateHz: finite.positive(),
  /** Samples in one step of the chain of states. */
  pieceSamples: z.number().int().positive(),
  classes: z.array(z.string()).min(1),
  /** Per class: how long bouts last, as the logarithm of seconds, and how often they begin. */
  bouts: z.array(
    z.strictObject({ logSeconds: finite, logSecondsSpread: finite.min(0), share: finite.min(0) }),
  ),
  individuals: z
    .array(
      z.strictObject({
        /** Per class; null where the individual was never seen at it. */
        behaviours: z.array(behaviourSchema.nullable()),
      }),
    )
    .min(1),
  /** How the parameters came to be: data set, number of subjects, command. */
  madeFrom: z.record(z.string(), z.union([z.string(), z.number()])),
});

export type EmulatorParameters = z.infer<typeof parametersSchema>;
export type EmulatorBehaviour = z.infer<typeof behaviourSchema>;
export type EmulatorState = z.infer<typeof stateSchema>;

/** @throws EdgeError `emulator-parameters` */
export function parseEmulatorParameters(text: string, where: string): EmulatorParameters {
  const refuse = (message: string): never => {
    throw new EdgeError({
      code: "emulator-parameters",
      message,
      where,
      hint: "Make the file again with `bellwether data fit-emulator`.",
    });
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refuse(`not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = parametersSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return refuse(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}`);
  }
  const problem = shapeProblem(parsed.data);
  return problem === null ? parsed.data : refuse(problem);
}

/** The shapes that the schema cannot tell: one entry per class, one row per state. */
function shapeProblem(parameters: EmulatorParameters): string | null {
  const classes = parameters.classes.length;
  if (parameters.bouts.length !== classes) return `bouts: ${classes} entries are needed`;
  for (const [i, { behaviours }] of parameters.individuals.entries()) {
    const where = `individuals.${i}`;
    if (behaviours.length !== classes) return `${where}: ${classes} behaviours are needed`;
    if (behaviours.every((behaviour) => behaviour === null)) return `${where}: has no behaviour`;
    for (const [c, behaviour] of behaviours.entries()) {
      if (behaviour === null) continue;
      const states = behaviour.states.length;
      const rows = [behaviour.start, ...behaviour.next];
      const square = rows.length === states + 1 && rows.every((row) => row.length === states);
      if (!square) return `${where}.behaviours.${c}: the chain does not fit ${states} states`;
    }
  }
  return null;
}
