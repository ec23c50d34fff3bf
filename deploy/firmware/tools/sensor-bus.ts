/**
 * The frames in which samples come to a firmware node: what a sensor beside its processor would say.
 *
 *      0 0xB5   1 rows u8   2 channels u8   3 0   4 start sample u32   8 time of the last row u48
 *      14 milli-g i16 [row][channel]   .. CRC-32 u32
 *
 * docs/FORMATS.md draws it; `node/bw_sensor_bus.c` reads it.
 */

import { crc32 } from "../../../device-sim/crc32.ts";
import { assert } from "../../../src/assert.ts";
import { ByteWriter } from "../../../src/bytes.ts";

const MAGIC = 0xb5;
/** A sensor's own buffer is small. */
const ROWS_MAX = 16;

export type BusSamples = {
  readonly startSample: number;
  /** `[row][channel]`, milli-g. */
  readonly millig: Int16Array;
  readonly channels: number;
  /** Wall clock of the last row, ms since 1970; 0 where the sensor has no clock. */
  readonly timeMs: number;
  readonly rateHz: number;
};

/** As many frames as it takes. */
export function encodeBus(samples: BusSamples): Uint8Array {
  const { startSample, millig, channels, timeMs, rateHz } = samples;
  assert(millig.length % channels === 0, "samples are whole rows");
  const rows = millig.length / channels;
  const frames: Uint8Array[] = [];
  for (let row = 0; row < rows; row += ROWS_MAX) {
    const count = Math.min(ROWS_MAX, rows - row);
    const behindMs = ((rows - row - count) * 1000) / rateHz;
    const frame = new ByteWriter()
      .u8(MAGIC)
      .u8(count)
      .u8(channels)
      .u8(0)
      .u32(startSample + row);
    frame.u48(timeMs === 0 ? 0 : Math.round(timeMs - behindMs));
    const values = millig.subarray(row * channels, (row + count) * channels);
    for (const value of values) frame.i16(value);
    frames.push(frame.u32(crc32(frame.finish())).finish());
  }
  return Buffer.concat(frames);
}
