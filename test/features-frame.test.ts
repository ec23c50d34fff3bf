/** Codes on the wire: packed and unpacked, in a frame, in one payload of LoRaWAN's slowest rate. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EdgeError } from "../src/assert.ts";
import { packCodes, packedCodeBytes, unpackCodes } from "../src/wire/codes.ts";
import { decodeUp, encodeUp } from "../src/wire/frames.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { takeLoraPayload, toLoraPayloads } from "../src/wire/lora.ts";
import { decodeLoraFeatures, encodeLoraFeatures } from "../src/wire/lora-features.ts";
import { type FeaturesOffload, NO_MODEL } from "../src/wire/messages.ts";
import { featuresBytes } from "../src/wire/offload-frame.ts";
import { codeOf } from "./edge-code.ts";
import { anyFeatures, GOLDEN_FEATURES } from "./wire-samples.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
/** The slowest data rate of EU868. */
const SLOWEST_BYTES = 51;

describe("packed codes", () => {
  const anyCodes = fc.integer({ min: 1, max: 7 }).chain((bits) =>
    fc.record({
      bits: fc.constant(bits),
      codes: fc.uint8Array({ minLength: 1, maxLength: 300, max: (1 << bits) - 1 }),
    }),
  );

  it("come back as they went, of any number and width", () => {
    fc.assert(
      fc.property(anyCodes, ({ bits, codes }) => {
        const packed = packCodes(codes, bits);
        expect(packed).toHaveLength(packedCodeBytes(codes.length, bits));
        expect(unpackCodes(packed, codes.length, bits)).toEqual(codes);
      }),
    );
  });

  it("have the low bits first", () => {
    expect(hex(packCodes(Uint8Array.of(1, 2, 3), 4))).toBe("2103");
    expect(hex(packCodes(Uint8Array.of(1, 0, 3, 2, 1), 2))).toBe("b101");
    expect(hex(packCodes(Uint8Array.of(0b101, 0b011, 0b110), 3))).toBe("9d01");
  });

  it("have one encoding: another length and a spare bit in use are refused", () => {
    const packed = packCodes(Uint8Array.of(1, 2, 3), 3);
    expect(codeOf(() => unpackCodes(packed, 3, 3))).toBe("accepted");
    expect(codeOf(() => unpackCodes(packed.subarray(1), 3, 3))).toBe("codes-length");
    expect(codeOf(() => unpackCodes(Uint8Array.of(...packed, 0), 3, 3))).toBe("codes-length");
    for (let bit = 1; bit < 8; bit++) {
      const spared = packed.with(-1, Number(packed.at(-1)) | (1 << bit));
      expect(codeOf(() => unpackCodes(spared, 3, 3))).toBe("codes-spare");
    }
  });
});

describe("an offload of codes", () => {
  it("comes back as it went", () => {
    fc.assert(
      fc.property(anyFeatures, (message) => {
        const frame = encodeUp(message);
        expect(frame).toHaveLength(featuresBytes(message.codes.length));
        expect(decodeUp("offload", frame)).toEqual(message);
      }),
    );
  });

  it("has the bytes that are written down", () => {
    const fields = [
      ["0103", "version and type"],
      ["07000000", "epoch"],
      ["09000000", "seq"],
      ["0102030405060708", "model"],
      ["2a000000", "window index"],
      ["00c02cc89901", "time"],
      ["00026401", "reason, class, confidence, exit"],
      ["ffff", "chance"],
      ["050000", "bytes of codes, 0"],
      ["02", "encoding"],
      ["a1b2c3d4", "encoder"],
      ["0102030405", "codes"],
    ];
    expect(hex(encodeUp(GOLDEN_FEATURES))).toBe(fields.map(([bytes]) => bytes).join(""));
  });

  it("is refused at every cut, with a byte too many, and where its fields are out of range", () => {
    const frame = encodeUp(GOLDEN_FEATURES);
    const read = (bytes: Uint8Array) => codeOf(() => decodeUp("offload", bytes));
    expect(read(frame)).toBe("accepted");
    for (let length = 0; length < frame.length; length++) {
      expect(read(frame.subarray(0, length))).toBe("truncated");
    }
    expect(read(Uint8Array.of(...frame, 0))).toBe("trailing-bytes");
    expect(read(frame.with(36, 1))).toBe("out-of-range");
    const sized = (bytes: number) => frame.with(34, bytes & 0xff).with(35, bytes >> 8);
    expect(read(sized(0))).toBe("out-of-range");
    expect(read(sized(LIMITS.codeBytes + 1))).toBe("out-of-range");
    expect(read(sized(LIMITS.codeBytes))).toBe("truncated");
  });

  it("is never read as a window, nor a window as codes", () => {
    const frame = encodeUp(GOLDEN_FEATURES);
    for (const encoding of [0, 1, 3]) {
      expect(codeOf(() => decodeUp("offload", frame.with(37, encoding)))).not.toBe("accepted");
    }
  });
});

describe("codes on LoRaWAN", () => {
  const carried = (message: FeaturesOffload): FeaturesOffload | undefined => {
    const bytes = encodeLoraFeatures(message);
    return bytes && decodeLoraFeatures(bytes);
  };

  it("come back but for the model, the second's fraction, and the confidence's last bits", () => {
    fc.assert(
      fc.property(anyFeatures, (message) => {
        const back = carried(message);
        const isSure = message.chanceQ16 === 0xffff || message.reason === "audit";
        if (!isSure || Math.round(message.timeMs / 1000) > 0xffff_ffff) {
          expect(back).toBeUndefined();
          return;
        }
        expect(back).toEqual({
          ...message,
          modelId: NO_MODEL,
          timeMs: 1000 * Math.round(message.timeMs / 1000),
          confidenceQ8: back?.confidenceQ8,
        });
        expect(Math.abs(Number(back?.confidenceQ8) - message.confidenceQ8)).toBeLessThanOrEqual(5);
      }),
    );
  });

  it("fit one payload of the slowest rate with 29 bytes, for years of windows", () => {
    const largest = { ...GOLDEN_FEATURES, seq: 2 ** 21 - 1, windowIndex: 2 ** 28 - 1 };
    const message = { ...largest, codes: new Uint8Array(29).fill(0xff) };
    const payloads = toLoraPayloads("offload", encodeUp(message), SLOWEST_BYTES) ?? [];
    expect(payloads.map(({ length }) => length)).toEqual([SLOWEST_BYTES]);
    const up = takeLoraPayload(new Map(), payloads[0] as Uint8Array, 0);
    expect(up?.kind).toBe("offload");
    expect(decodeUp("offload", up?.frame ?? new Uint8Array())).toEqual(carried(message));
  });

  it("go in pieces where they are longer, and as a frame where the form cannot carry them", () => {
    const long = { ...GOLDEN_FEATURES, codes: new Uint8Array(48).fill(7) };
    const pieces = toLoraPayloads("offload", encodeUp(long), SLOWEST_BYTES) ?? [];
    expect(pieces).toHaveLength(2);
    const assembly = new Map();
    const taken = pieces.map((piece) => takeLoraPayload(assembly, piece, 0)).at(-1);
    expect(decodeUp("offload", taken?.frame ?? new Uint8Array())).toEqual(carried(long));
    const odd = { ...GOLDEN_FEATURES, chanceQ16: 9 };
    const [whole] = toLoraPayloads("offload", encodeUp(odd), 115) ?? [];
    expect(whole).toEqual(encodeUp(odd));
  });

  it("are never anything but a frame that a gateway reads, or an EdgeError", () => {
    const payload = fc.uint8Array({ minLength: 0, maxLength: 241, size: "max" });
    let read = 0;
    fc.assert(
      fc.property(payload, (bytes) => {
        try {
          const up = takeLoraPayload(new Map(), Uint8Array.of(0x12, ...bytes), 0);
          expect(decodeUp("offload", up?.frame ?? new Uint8Array()).encoding).toBe("features");
          read += 1;
        } catch (error) {
          if (!(error instanceof EdgeError)) throw error;
        }
      }),
      { numRuns: 3_000 },
    );
    expect(read).toBeGreaterThan(100);
  });

  it("are refused at every cut before the codes, and in every field that is out of range", () => {
    const audit = { ...GOLDEN_FEATURES, reason: "audit" as const, chanceQ16: 655 };
    const bytes = encodeLoraFeatures(audit) ?? new Uint8Array();
    const header = bytes.length - audit.codes.length;
    expect(header).toBe(1 + 4 + 4 + 1 + 1 + 4 + 2 + 2);
    for (let length = 0; length <= header; length++) {
      expect(codeOf(() => decodeLoraFeatures(bytes.subarray(0, length)))).not.toBe("accepted");
    }
    expect(codeOf(() => decodeLoraFeatures(bytes.with(0, 0x13)))).toBe("frame-type");
    const noEpoch = Uint8Array.from(bytes, (byte, i) => (i >= 1 && i <= 4 ? 0 : byte));
    expect(codeOf(() => decodeLoraFeatures(noEpoch))).toBe("out-of-range");
    const noChance = bytes.with(header - 2, 0).with(header - 1, 0);
    expect(codeOf(() => decodeLoraFeatures(noChance))).toBe("out-of-range");
  });
});
