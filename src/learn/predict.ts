/** Logits and features of float networks over whole sets of windows, in batches. */
import { assert } from "../assert.ts";
import type { FloatStudent } from "../model/student-spec.ts";
import type { WindowSet } from "../signal/window-set.ts";
import type { Program, Runtime } from "./runtime.ts";
import { studentOnnx } from "./student-network.ts";
import { type FloatTeacher, teacherOnnx } from "./teacher-network.ts";

const BATCH_WINDOWS = 64;

/** Row-major, one row per window. */
export type Rows = { readonly width: number; readonly data: Float32Array };

/** The windows in g, `[window][time][channel]`: what the networks read. */
export function windowsInG(windows: WindowSet, inputMilligPerStep: number): Float32Array {
  const gPerStep = inputMilligPerStep / 1000;
  return Float32Array.from(windows.samples, (step) => step * gPerStep);
}

/** Logits per exit, `[exit] -> [window][class]`. */
export async function predictStudent(
  runtime: Runtime,
  student: FloatStudent,
  windows: WindowSet,
  inputMilligPerStep: number,
): Promise<readonly Float32Array[]> {
  const program = await runtime.compile(studentOnnx(student));
  try {
    const names = student.spec.stages.map((_, s) => `exit${s}`);
    const rows = await predictRows(program, windows, inputMilligPerStep, names);
    return names.map((name) => (rows.get(name) as Rows).data);
  } finally {
    await program.release();
  }
}

/** Logits `[window][class]` and pooled features `[window][feature]`. */
export async function predictTeacher(
  runtime: Runtime,
  teacher: FloatTeacher,
  windows: WindowSet,
): Promise<{ readonly logits: Float32Array; readonly features: Rows }> {
  const program = await runtime.compile(teacherOnnx(teacher));
  try {
    const names = ["logits", "features"];
    const rows = await predictRows(program, windows, teacher.inputMilligPerStep, names);
    return {
      logits: (rows.get("logits") as Rows).data,
      features: rows.get("features") as Rows,
    };
  } finally {
    await program.release();
  }
}

/** Runs a compiled network with input `window` over all windows. */
export async function predictRows(
  program: Program,
  windows: WindowSet,
  inputMilligPerStep: number,
  names: readonly string[],
): Promise<Map<string, Rows>> {
  const size = windows.windowSamples * windows.channels;
  const input = windowsInG(windows, inputMilligPerStep);
  const rows = new Map<string, { width: number; data: Float32Array }>();
  for (let start = 0; start < windows.count; start += BATCH_WINDOWS) {
    const count = Math.min(BATCH_WINDOWS, windows.count - start);
    const outputs = await program.run({
      window: {
        shape: [count, windows.windowSamples, windows.channels],
        data: input.slice(start * size, (start + count) * size),
      },
    });
    for (const name of names) {
      const output = outputs[name];
      assert(output !== undefined, `the network gives ${name}`);
      const width = output.data.length / count;
      const all = rows.get(name) ?? { width, data: new Float32Array(width * windows.count) };
      all.data.set(output.data, start * width);
      rows.set(name, all);
    }
  }
  for (const name of names)
    if (!rows.has(name)) rows.set(name, { width: 0, data: input.slice(0, 0) });
  return rows;
}
