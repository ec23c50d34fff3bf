/** A profile's teachers in one thread: each is asked what is meant for it, and told as it is alone. */

import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, it } from "vitest";
import { openOnnxTail } from "../gateway/teacher/onnx-tail.ts";
import { openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { fitWhenAsked } from "../gateway/teacher/tail-trust.ts";
import type { Teacher } from "../gateway/teacher/teacher.ts";
import { openTeacherThread } from "../gateway/teacher/teacher-thread.ts";
import { fitTeacherTrust } from "../gateway/teacher/teacher-trust.ts";
import { normal, prng } from "../src/prng.ts";
import { NO_AUGMENTATION } from "../src/signal/augment.ts";
import { cattle } from "./gateway-kit.ts";
import { ROOT } from "./house-sources.ts";

const COUNT = 5;
const shipped = (name: string): string => path.join(ROOT, "profiles/cattle", name);
const random = prng(1, "windows");
const windows = Int8Array.from({ length: COUNT * cattle.windowSamples * cattle.channels }, () =>
  Math.round(20 * normal(random)),
);
const step = cattle.inputMilligPerStep;

it("answers windows, windows in 2 bits and codes as each of the three alone", async () => {
  const [teacher, coarse, tail] = await Promise.all([
    openOnnxTeacher(shipped("teacher.onnx"), cattle),
    openOnnxTeacher(shipped("coarse.onnx"), cattle),
    openOnnxTail(shipped("tail.onnx"), cattle),
  ]);
  const codes = Uint8Array.from(
    { length: COUNT * tail.codeTime * tail.codeChannels },
    (_, i) => i % 2 ** tail.codeBits,
  );
  const thread = await openTeacherThread(shipped("teacher.onnx"), cattle, {
    ...{ tailFile: shipped("tail.onnx"), coarseFile: shipped("coarse.onnx") },
  });
  try {
    expect([thread.id, thread.coarse?.id, thread.tail?.id]).toEqual([
      ...[teacher.id, coarse.id, tail.id],
    ]);
    expect(thread.featureCount).toBe(teacher.featureCount);
    const [ofTeacher, ofCoarse, ofTail] = await Promise.all([
      thread.predict(windows, COUNT, step),
      thread.coarse?.predict(windows, COUNT, step),
      thread.tail?.predict(codes, COUNT),
    ]);
    expect(ofTeacher).toMatchObject(await teacher.predict(windows, COUNT, step));
    expect(ofCoarse).toMatchObject(await coarse.predict(windows, COUNT, step));
    expect(ofTail).toMatchObject(await tail.predict(codes, COUNT));
    expect(ofCoarse?.probabilities).not.toEqual(ofTeacher.probabilities);
  } finally {
    await Promise.all([teacher, coarse, tail, thread].map((one) => one.close()));
  }
});

it("refuses a coarse teacher of another shape at the start", async () => {
  const coarseFile = path.join(ROOT, "profiles/people/coarse.onnx");
  const asked = openTeacherThread(shipped("teacher.onnx"), cattle, { coarseFile });
  await expect(asked).rejects.toThrow(/people\/coarse\.onnx/);
});

it("is handed no more than a batch by who fits a novelty test", async () => {
  const { windowSamples, channels, classes } = cattle;
  const length = windowSamples * channels;
  const count = 300;
  const set = {
    ...{ count, windowSamples, channels },
    samples: Int8Array.from({ length: count * length }, () => Math.round(20 * normal(random))),
    labels: Uint8Array.from({ length: count }, (_, i) => i % classes.length),
  };
  let handedBytes = 0;
  const teacher: Teacher = {
    ...{ id: "0".repeat(16), classes, windowSamples, channels, rateHz: cattle.rateHz },
    predict: async (asked, asMany) => {
      handedBytes = Math.max(handedBytes, asked.buffer.byteLength / asMany);
      return { probabilities: new Float32Array(asMany * classes.length), features: null };
    },
  };
  const anchor = { classes, inputMilligPerStep: step, replay: set, heldOut: set } as never;
  await fitTeacherTrust(teacher, anchor, NO_AUGMENTATION, 1);
  expect(handedBytes).toBe(length);
});

it("fits a test once, and again where it failed", async () => {
  let fits = 0;
  const fitted: boolean[] = [];
  const asked = fitWhenAsked(
    async () => {
      fits += 1;
      if (fits === 1) throw new Error("the thread was busy");
      return () => true;
    },
    (trust) => fitted.push(trust !== undefined),
  );
  await expect(asked()).rejects.toThrow("busy");
  const both = await Promise.all([asked(), asked()]);
  expect(both.map((trust) => trust?.(new Float32Array(1), null))).toEqual([true, true]);
  expect([fits, fitted]).toEqual([2, [true]]);
});

it("loads no library of schemas, which would be megabytes of the thread", () => {
  const script = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    // It refuses to run outside of a thread, when all of it is loaded.
    await import(${JSON.stringify(path.join(ROOT, "gateway/teacher/teacher-worker.ts"))}).catch(() => 0);
    console.log(JSON.stringify(loaded));`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  const loaded: string[] = JSON.parse(stdout);
  expect(loaded.some((url) => url.endsWith("/gateway/teacher/onnx-tail.ts"))).toBe(true);
  expect(loaded.filter((url) => url.includes("node_modules/zod"))).toEqual([]);
});
