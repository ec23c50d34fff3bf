/**
 * An encoder as bytes: a section of the container, and what it is known by.
 *
 *     0 stages before it u8   1 bits of a code u8   2 layers u8   3 0   4 a record of 48 bytes a layer
 *     .. the layers' tables, each filled up with zeros to a multiple of four
 *
 * Records and tables are those of a student (`container-records.ts`), but offsets count from the
 * section's own first byte: so one encoder has the same bytes, and the same SHA-256, in every
 * container that it goes into. A tail on the gateway is made for one encoder and finds it by that.
 */

import { EdgeError } from "../assert.ts";
import { ByteReader, ByteWriter } from "../bytes.ts";
import { LAYER_RECORD_BYTES } from "./container-layout.ts";
import { layerRecord, NOWHERE, readLayer, TableWriter } from "./container-records.ts";
import type { QuantizedEncoder } from "./encoder.ts";
import { MODEL_LIMITS as LIMITS } from "./limits.ts";

const HEADER_BYTES = 4;

/** The one encoding of an encoder that `checkEncoder` accepts. */
export function encodeEncoder(encoder: QuantizedEncoder): Uint8Array {
  const { afterStages, codeBits, layers } = encoder;
  const to = new ByteWriter().u8(afterStages).u8(codeBits).u8(layers.length).u8(0);
  const tables = new TableWriter(HEADER_BYTES + layers.length * LAYER_RECORD_BYTES);
  for (const layer of layers) layerRecord(to, layer, tables.matrix(layer), NOWHERE);
  return to.bytes(tables.writer.finish()).finish();
}

/**
 * Of a section's bytes. What it says is not proved by this: whoever reads a container checks the
 * encoder and compares its bytes.
 *
 * @throws EdgeError `container-layer`, `container-table`, `encoder-range`, `truncated`
 */
export function decodeEncoder(section: Uint8Array): QuantizedEncoder {
  const records = new ByteReader(section, "encoder section");
  const [afterStages, codeBits, count] = [records.u8(), records.u8(), records.u8()];
  records.u8();
  if (count < 1 || count > LIMITS.layersPerStage) {
    records.fail("encoder-range", `${count} layers, possible is 1 to ${LIMITS.layersPerStage}`);
  }
  const layers = Array.from({ length: count }, () => {
    const layer = readLayer(section, records);
    if (layer.kind === "conv" || layer.kind === "depthwise") return layer;
    throw new EdgeError({
      code: "container-layer",
      message: `${layer.kind} in an encoder`,
      where: "encoder section",
      hint: "An encoder is a chain of convolutions; docs/FORMATS.md says which.",
    });
  });
  return { afterStages, codeBits, layers };
}
