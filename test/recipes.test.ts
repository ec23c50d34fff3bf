/** The recipes, and the batches that they draw. */
import { describe, expect, it } from "vitest";
import { batchesOf, stepsOf } from "../src/learn/batches.ts";
import { plainRecipe, quickRecipe, recipeFor } from "../src/learn/recipes.ts";
import { studentParameterCount } from "../src/learn/student-network.ts";
import { NO_AUGMENTATION } from "../src/signal/augment.ts";
import { SHIPPED_PROFILES, shippedProfile } from "../src/signal/profiles.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

describe("recipes", () => {
  it.each(SHIPPED_PROFILES.map((profile) => [profile.name, profile] as const))(
    "fit the profile %s",
    (_, profile) => {
      const { student } = recipeFor(profile);
      expect(student.spec.windowSamples).toBe(profile.windowSamples);
      expect(student.spec.classes).toBe(profile.classes.length);
      expect(student.spec.stages.length).toBeGreaterThanOrEqual(2);
      expect(student.hard.hardWeight).toBe(1);
      expect(student.distilled.hardWeight).toBeLessThan(1);
    },
  );

  it("stay as small as promised", () => {
    const size = (name: string): number =>
      studentParameterCount(recipeFor(shippedProfile(name)).student.spec);
    expect(size("cattle")).toBeLessThanOrEqual(2_100);
    expect(size("people")).toBeLessThanOrEqual(5_000);
  });

  it("turn the collars of cattle, but not for the plain student", () => {
    const recipe = recipeFor(shippedProfile("cattle"));
    expect(recipe.student.options.augmentation.turn).toBe("vertical");
    expect(recipe.teacher.augmentation.turn).toBe("vertical");
    const plain = plainRecipe(recipe);
    expect(plain.student.options.augmentation).toEqual(NO_AUGMENTATION);
    expect(plain.teacher).toEqual(recipe.teacher);
    expect(quickRecipe(recipe).teacher.epochs).toBeLessThan(recipe.teacher.epochs);
  });
});

describe("stepsOf", () => {
  it("goes through few windows more often, and through very many less", () => {
    const passes = { epochs: 10, batchSize: 64, leastSteps: 500 };
    expect(stepsOf(passes, 6_400)).toBe(1_000);
    expect(stepsOf(passes, 100)).toBe(500);
    expect(stepsOf({ ...passes, leastSteps: 1 }, 1)).toBe(1);
    expect(stepsOf(passes, 10_000_000)).toBe(20_000);
  });
});

describe("batches", () => {
  /** 90 windows of class 0, 10 of class 1; each window holds its own index. */
  const windows: WindowSet = {
    count: 100,
    windowSamples: 1,
    channels: 1,
    samples: Int8Array.from({ length: 100 }, (_, i) => i),
    labels: Uint8Array.from({ length: 100 }, (_, i) => (i < 90 ? 0 : 1)),
    subjects: Array.from({ length: 100 }, () => "one"),
    bouts: new Int32Array(100),
  };
  const draw = (balance: number, batches: number, seed = 1, leastShare = 0): number[] => {
    const next = batchesOf(windows, {
      seed,
      batchSize: 20,
      augmentation: NO_AUGMENTATION,
      inputMilligPerStep: 1000,
      balance,
      leastShare,
    });
    return Array.from({ length: batches }, () => {
      const { indices, window } = next();
      expect([...window]).toEqual([...indices]);
      return [...indices];
    }).flat();
  };
  const shareOfRare = (indices: number[]): number =>
    indices.filter((i) => i >= 90).length / indices.length;

  it("come as they are, in between, or balanced", () => {
    expect(shareOfRare(draw(1, 200))).toBeCloseTo(0.1, 1);
    expect(shareOfRare(draw(0.5, 200))).toBeCloseTo(0.25, 1);
    expect(shareOfRare(draw(0, 200))).toBeCloseTo(0.5, 1);
  });

  it("have a least share of a rare class, and of one with few windows no more than repeats allow", () => {
    expect(shareOfRare(draw(1, 400, 1, 0.4))).toBeCloseTo(0.2 / 1.1, 1);
    expect(shareOfRare(draw(1, 400, 1, 0.1))).toBeCloseTo(0.1, 2);
    expect(shareOfRare(draw(0.5, 400, 1, 2))).toBeCloseTo(0.8 / 1.8, 1);
  });

  it("go through every window of a class before one comes again", () => {
    const rare = draw(0, 40).filter((i) => i >= 90);
    for (let round = 0; round + 10 <= rare.length; round += 10) {
      expect(new Set(rare.slice(round, round + 10)).size).toBe(10);
    }
  });

  it("are the same for the same seed", () => {
    expect(draw(0.5, 3, 7)).toEqual(draw(0.5, 3, 7));
    expect(draw(0.5, 3, 7)).not.toEqual(draw(0.5, 3, 8));
  });
});
