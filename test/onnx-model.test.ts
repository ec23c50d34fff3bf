import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { EdgeError } from "../src/assert.ts";
import { Graph } from "../src/learn/graph.ts";
import { BATCH, onnxMetadata, onnxTensors } from "../src/learn/onnx-model.ts";
import { dense } from "../src/learn/operations.ts";

function affineModel(metadata: Record<string, string> = {}): Uint8Array {
  const graph = new Graph();
  const x = graph.input("x", [BATCH, 2]);
  const weight = graph.constant([1, 2], Float32Array.of(3, -1), "weight");
  graph.output("y", dense(graph, x, weight, graph.constant([1], Float32Array.of(0.5), "bias")));
  return graph.toOnnx(metadata);
}

describe("ONNX files", () => {
  it("run with any batch, and name their ports", async () => {
    const program = await onnxRuntime().compile(affineModel());
    expect(program.inputs).toEqual([{ name: "x", shape: ["batch", 2] }]);
    expect(program.outputs).toEqual([{ name: "y", shape: ["batch", 1] }]);
    for (const rows of [1, 3]) {
      const data = Float32Array.from({ length: 2 * rows }, (_, i) => i);
      const { y } = await program.run({ x: { shape: [rows, 2], data } });
      expect([...(y?.data ?? [])]).toEqual(
        Array.from({ length: rows }, (_, r) => 3 * (2 * r) - (2 * r + 1) + 0.5),
      );
    }
    await program.release();
  });

  it("give back their tensors bit for bit", () => {
    const tensors = onnxTensors(affineModel());
    expect(tensors.get("weight")).toEqual({ shape: [1, 2], data: Float32Array.of(3, -1) });
    expect(tensors.get("bias")).toEqual({ shape: [1], data: Float32Array.of(0.5) });
  });

  it("keep metadata in any script", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ minLength: 1 }), fc.string({ unit: "grapheme" })),
        (given) => {
          const metadata = Object.fromEntries(
            Object.entries(given).filter(([key, value]) => wellFormed(key) && wellFormed(value)),
          );
          const read = onnxMetadata(affineModel(metadata));
          expect(Object.fromEntries(read)).toEqual({ ...metadata });
        },
      ),
    );
  });

  it("are refused or read when cut or overwritten, and never break the reader", () => {
    const whole = affineModel({ rateHz: "10" });
    fc.assert(
      fc.property(
        fc.nat(whole.length - 1),
        fc.nat(whole.length - 1),
        fc.integer({ min: 0, max: 255 }),
        (cut, at, value) => {
          for (const bytes of [whole.slice(0, cut), whole.with(at, value)]) {
            try {
              onnxMetadata(bytes);
              onnxTensors(bytes);
            } catch (error) {
              expect(error).toBeInstanceOf(EdgeError);
              expect((error as EdgeError).code).toBe("onnx-truncated");
            }
          }
        },
      ),
    );
  });

  it("that no runtime understands are bad input, not a crash", async () => {
    await expect(onnxRuntime().compile(Uint8Array.of(1, 2, 3))).rejects.toMatchObject({
      code: "onnx-refused",
    });
  });
});

/** Strings with lone surrogates have no UTF-8. */
function wellFormed(text: string): boolean {
  return text.isWellFormed() && text !== "__proto__";
}
