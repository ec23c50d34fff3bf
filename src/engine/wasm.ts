/**
 * The WebAssembly engine: the reference engine's bits, an order of magnitude faster.
 *
 * One instance, with its own memory, serves every load of the same container, so that ten thousand
 * simulated nodes share one copy of the weights. A load keeps its own window; when another load ran
 * in between, its stages so far are run again. Nodes that finish a window before the next one
 * begins never pay for that.
 */

import { assert } from "../assert.ts";
import { type Container, encodeContainer } from "../model/container.ts";
import type { Engine, ExitOutput, LoadedStudent } from "./engine.ts";
import { wasmModuleBytes } from "./wasm-module.ts";
import { type Plan, planStudent } from "./wasm-plan.ts";

/** The part of the global `WebAssembly` that is needed. */
export type WebAssemblyGlobal = {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: object } },
  ) => { readonly exports: object };
  readonly Memory: new (descriptor: { readonly initial: number }) => { readonly buffer: object };
  readonly validate: (bytes: Uint8Array<ArrayBuffer>) => boolean;
};
/** It computes and does nothing else, so that the pure code may use it; TypeScript knows it only
 * beside the browser's types. */
declare const WebAssembly: WebAssemblyGlobal;

const PAGE_BYTES = 65_536;

/** False where there is no WebAssembly or it has no SIMD (Node before 16.4, Safari before 16.4). */
export function wasmIsSupported(): boolean {
  // biome-ignore lint/complexity/useOptionalChain: a name that nobody defined throws, typeof does not.
  return typeof WebAssembly !== "undefined" && WebAssembly.validate(wasmModuleBytes());
}

/** Throws what the global throws where SIMD is not supported. */
export function createWasmEngine(webAssembly: WebAssemblyGlobal = WebAssembly): Engine {
  const module = new webAssembly.Module(wasmModuleBytes());
  const byContainer = new WeakMap<Container, Machine>();
  let machines: WeakRef<Machine>[] = [];

  function machineFor(container: Container): Machine {
    const known = byContainer.get(container);
    if (known !== undefined) return known;
    // Also refuses what no engine may run.
    const bytes = encodeContainer(container);
    machines = machines.filter((reference) => reference.deref() !== undefined);
    const same = machines
      .map((reference) => reference.deref())
      .find((machine) => machine !== undefined && equalBytes(machine.bytes, bytes));
    const machine = same ?? makeMachine(webAssembly, module, container, bytes);
    if (same === undefined) machines.push(new WeakRef(machine));
    byContainer.set(container, machine);
    return machine;
  }

  return { name: "wasm", load: (container) => loadOn(machineFor(container), container) };
}

/** An instance with one student in its memory. */
type Machine = {
  readonly bytes: Uint8Array;
  readonly run: (program: number, records: number) => void;
  readonly plan: Plan;
  readonly window: Int8Array;
  readonly state: Int16Array;
  readonly outputs: readonly ExitOutput[];
  /** Whose window is in memory, and how many of its stages have run. */
  owner: LoadedStudent | undefined;
  stagesRun: number;
};

function makeMachine(
  webAssembly: WebAssemblyGlobal,
  module: object,
  container: Container,
  bytes: Uint8Array,
): Machine {
  const { student } = container;
  const plan = planStudent(student);
  const memory = new webAssembly.Memory({ initial: Math.ceil(plan.bytes / PAGE_BYTES) });
  const buffer = memory.buffer as ArrayBuffer;
  for (const { address, values } of plan.tables) {
    const source = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    new Uint8Array(buffer, address, source.length).set(source);
  }
  const instance = new webAssembly.Instance(module, { env: { memory } });
  const { run } = instance.exports as { run: Machine["run"] };
  return {
    bytes,
    run,
    plan,
    window: new Int8Array(buffer, plan.window, student.windowSamples * student.channels),
    state: new Int16Array(buffer, plan.state, plan.stateLength),
    outputs: plan.stages.map(({ logits, features }, s) => ({
      logits: new Int16Array(buffer, logits, student.classes),
      features: new Int8Array(buffer, features, student.stages[s]?.exit.features),
    })),
    owner: undefined,
    stagesRun: 0,
  };
}

function loadOn(machine: Machine, container: Container): LoadedStudent {
  const { plan } = machine;
  const window = new Int8Array(machine.window.length);
  const outputs = machine.outputs.map(
    ({ logits, features }): ExitOutput => ({
      logits: new Int16Array(logits.length),
      features: new Int8Array(features.length),
    }),
  );
  let next = outputs.length;
  const loaded: LoadedStudent = {
    container,
    exits: outputs.length,
    begin(samples) {
      assert(
        samples.length === window.length,
        `a window of ${samples.length} values for a student of ${window.length}`,
      );
      window.set(samples);
      if (machine.owner === loaded) machine.owner = undefined;
      next = 0;
    },
    nextExit() {
      const output = outputs[next];
      const source = machine.outputs[next];
      assert(
        output !== undefined && source !== undefined,
        "begin() comes before nextExit(), once for each exit",
      );
      if (machine.owner !== loaded) {
        machine.window.set(window);
        machine.state.fill(0);
        machine.owner = loaded;
        machine.stagesRun = 0;
      }
      for (; machine.stagesRun <= next; machine.stagesRun++) {
        const { program, records } = plan.stages[machine.stagesRun] as Plan["stages"][number];
        machine.run(program, records);
      }
      output.logits.set(source.logits);
      output.features.set(source.features);
      next++;
      return output;
    },
  };
  return loaded;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
