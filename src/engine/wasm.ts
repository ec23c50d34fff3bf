/**
 * The WebAssembly engine: the reference engine's bits, an order of magnitude faster.
 *
 * One instance and one memory serve all students of an engine. Loads of equal containers share one
 * place in it, so that ten thousand simulated nodes share one copy of the weights; the place is
 * given back when the last of them is garbage. A load keeps its own window; when another load of
 * the same container ran in between, its stages so far are run again. Nodes that finish a window
 * before the next one begins never pay for that.
 */

import { assert } from "../assert.ts";
import { sameBytes } from "../bytes.ts";
import { type Container, encodeContainer } from "../model/container.ts";
import { codeShape } from "../model/encoder.ts";
import type { QuantizedStudent } from "../model/student.ts";
import type { Engine, ExitOutput, LoadedStudent } from "./engine.ts";
import { type Block, WasmArena, type WasmMemory } from "./wasm-arena.ts";
import { wasmModuleBytes } from "./wasm-module.ts";
import { type Plan, planStudent, type StagePlan } from "./wasm-plan.ts";

/** The part of the global `WebAssembly` that is needed. */
export type WebAssemblyGlobal = {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: object } },
  ) => { readonly exports: object };
  readonly Memory: new (descriptor: { readonly initial: number }) => WasmMemory;
  readonly validate: (bytes: Uint8Array<ArrayBuffer>) => boolean;
};
/** It computes and does nothing else, so that the pure code may use it; TypeScript knows it only
 * beside the browser's types. */
declare const WebAssembly: WebAssemblyGlobal;

/** False where there is no WebAssembly or it has no SIMD (Node before 16.4, Safari before 16.4). */
export function wasmIsSupported(): boolean {
  // biome-ignore lint/complexity/useOptionalChain: a name that nobody defined throws, typeof does not.
  return typeof WebAssembly !== "undefined" && WebAssembly.validate(wasmModuleBytes());
}

/** Throws what the global throws where SIMD is not supported. */
export function createWasmEngine(webAssembly: WebAssemblyGlobal = WebAssembly): Engine {
  const module = new webAssembly.Module(wasmModuleBytes());
  const memory = new webAssembly.Memory({ initial: 1 });
  const instance = new webAssembly.Instance(module, { env: { memory } });
  const { run } = instance.exports as { run: Run };
  const arena = new WasmArena(memory);
  const unused = new FinalizationRegistry<Block>((block) => arena.give(block));
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
      .find((machine) => machine !== undefined && sameBytes(machine.bytes, bytes));
    const machine = same ?? new Machine(arena, run, container, bytes);
    if (same === undefined) {
      machines.push(new WeakRef(machine));
      unused.register(machine, machine.block);
    }
    byContainer.set(container, machine);
    return machine;
  }

  return { name: "wasm", load: (container) => loadOn(machineFor(container), container) };
}

type Run = (program: number, records: number) => void;

/** What a machine reads and writes in memory; made anew when the memory has grown. */
type Views = {
  readonly version: number;
  readonly window: Int8Array;
  readonly state: Int16Array;
  readonly outputs: readonly ExitOutput[];
};

/** One student in the memory, and whose window it works on. */
class Machine {
  readonly bytes: Uint8Array;
  readonly block: Block;
  readonly student: QuantizedStudent;
  /** Whose window is in memory, and how many of its stages have run. */
  owner: LoadedStudent | undefined;
  readonly #arena: WasmArena;
  readonly #run: Run;
  readonly #plan: Plan;
  #views: Views;
  #stagesRun = 0;

  constructor(arena: WasmArena, run: Run, { student, encoder }: Container, bytes: Uint8Array) {
    // The size does not depend on the place: a plan says how much to take, another where all lies.
    this.block = arena.take(planStudent(student, encoder, 0).bytes);
    this.#plan = planStudent(student, encoder, this.block.address);
    for (const { address, values } of this.#plan.tables) {
      const source = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      new Uint8Array(arena.buffer, address, source.length).set(source);
    }
    this.#arena = arena;
    this.#run = run;
    this.student = student;
    this.bytes = bytes;
    this.#views = this.#look();
  }

  /** Runs what is missing up to and including the exit; what it returns lies in the memory. */
  outputOf(exit: number, owner: LoadedStudent, window: Int8Array): ExitOutput {
    this.#seize(owner, window);
    for (; this.#stagesRun <= exit; this.#stagesRun++) {
      const { program, records } = this.#plan.stages[this.#stagesRun] as StagePlan;
      this.#run(program, records);
    }
    return this.#views.outputs[exit] as ExitOutput;
  }

  /** The encoder's map of the window, int16; lies in the memory. */
  mapOf(owner: LoadedStudent, window: Int8Array): Int16Array {
    this.#seize(owner, window);
    const { encoder } = this.#plan;
    assert(encoder !== undefined, "only a container with an encoder makes codes");
    this.#run(encoder.program, encoder.records);
    return new Int16Array(this.#arena.buffer, encoder.map, encoder.values);
  }

  /** Makes the memory this load's, its window in it and nothing run, where it was another's. */
  #seize(owner: LoadedStudent, window: Int8Array): void {
    if (this.#views.version !== this.#arena.version) this.#views = this.#look();
    if (this.owner === owner) return;
    this.#views.window.set(window);
    this.#views.state.fill(0);
    this.owner = owner;
    this.#stagesRun = 0;
  }

  #look(): Views {
    const { buffer, version } = this.#arena;
    const { window, state, stateLength, stages } = this.#plan;
    const { windowSamples, channels, classes } = this.student;
    return {
      version,
      window: new Int8Array(buffer, window, windowSamples * channels),
      state: new Int16Array(buffer, state, stateLength),
      outputs: stages.map(({ logits, features }, s) => ({
        logits: new Int16Array(buffer, logits, classes),
        features: new Int8Array(buffer, features, this.student.stages[s]?.exit.features),
      })),
    };
  }
}

function loadOn(machine: Machine, container: Container): LoadedStudent {
  const { windowSamples, channels, classes, stages } = machine.student;
  const window = new Int8Array(windowSamples * channels);
  const outputs = stages.map(
    ({ exit }): ExitOutput => ({
      logits: new Int16Array(classes),
      features: new Int8Array(exit.features),
    }),
  );
  const shape = container.encoder && codeShape(container.encoder);
  const codes = new Uint8Array(shape === undefined ? 0 : shape.time * shape.channels);
  const most = 2 ** (shape?.bits ?? 0) - 1;
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
      assert(output !== undefined, "begin() comes before nextExit(), once for each exit");
      const source = machine.outputOf(next, loaded, window);
      output.logits.set(source.logits);
      output.features.set(source.features);
      next++;
      return output;
    },
    encode() {
      machine.mapOf(loaded, window).forEach((value, i) => {
        codes[i] = Math.min(value, most);
      });
      return codes;
    },
  };
  return loaded;
}
