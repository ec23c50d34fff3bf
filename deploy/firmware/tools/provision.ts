/**
 * The block that tells a firmware node who it is, written by whoever makes or joins the node.
 *
 *      0 magic "BWPROV4\0"   8 bytes of the block u16   10 settings   .. texts   .. keys   .. CRC u32
 *
 * docs/FORMATS.md draws it; `node/bw_provision.c` reads it.
 */

import { crc32 } from "../../../device-sim/crc32.ts";
import { COLLAR } from "../../../device-sim/node-settings.ts";
import type { NodeSettings } from "../../../device-sim/node-types.ts";
import { assert } from "../../../src/assert.ts";
import { ByteWriter } from "../../../src/bytes.ts";
import { type NodeId, OFFLOAD_ENCODINGS } from "../../../src/wire/messages.ts";
import type { TopicBase } from "../../../src/wire/topics.ts";

const PUBLIC_KEYS_MAX = 4;
/** What a board reserves for it. */
const BLOCK_BYTES_MAX = 1024;

export type Provision = {
  readonly id: NodeId;
  readonly base: TopicBase;
  readonly user?: string;
  readonly password?: string;
  /** Any of them may sign releases; 32 bytes each. */
  readonly publicKeys: readonly Uint8Array[];
  /** What the node's chance starts from. */
  readonly seed: number;
  readonly keepaliveSeconds?: number;
  readonly connectMs?: number;
  readonly connectMsMax?: number;
  /** Of a simulated collar where left out. What `features` says of costs a firmware node cannot work
   * out; it is told by `macsPerByte`. */
  readonly settings?: Partial<NodeSettings>;
  /** Multiply-accumulates of an encoder that take the node as much energy as one byte more that it
   * sends; as many as there are where left out. See `macsPerByte` in `src/link`. */
  readonly macsPerByte?: number;
};

/** Nothing that a node multiplies is dearer than a byte. */
const FREE_MACS = 0xffff_ffff;

export function encodeProvision(provision: Provision): Uint8Array {
  const settings = { ...COLLAR, ...provision.settings };
  const { outbox, offloadEncoding } = settings;
  const body = new ByteWriter().u32(provision.seed).u16(provision.keepaliveSeconds ?? 15);
  body.u16(settings.reportWindows).u16(settings.reportWindowsOffline).u32(settings.reportMsMax);
  body.u32(settings.wakeMs).u32(outbox.retryMs).u32(outbox.retryMsMax);
  body.u32(provision.connectMs ?? 1_000).u32(provision.connectMsMax ?? 30_000);
  body.u32(settings.wantMs).u32(settings.wantMsMax);
  body.u16(settings.trialWindows).u16(settings.trialBoots).u32(settings.trialMs);
  body.u16(settings.gateSaveWindows).u8(OFFLOAD_ENCODINGS.indexOf(offloadEncoding));
  const { offloadBytesMax, offloadsOwedMax, features } = settings;
  const spares = Math.ceil((features?.rule.queueShare ?? 1) * offloadsOwedMax);
  body
    .u16(offloadBytesMax)
    .u16(offloadsOwedMax)
    .u8(features?.rule.doubtsPerWindow ?? 0);
  body.u16(spares).u32(provision.macsPerByte ?? FREE_MACS);
  body.u8(features?.rule.batteryLowPercent ?? 0);
  body.ascii(provision.base).ascii(provision.id);
  body.ascii(provision.user ?? "").ascii(provision.password ?? "");
  assert(provision.publicKeys.length <= PUBLIC_KEYS_MAX, "as many keys as a node takes");
  body.u8(provision.publicKeys.length);
  for (const key of provision.publicKeys) {
    assert(key.length === 32, "an Ed25519 key");
    body.bytes(key);
  }
  const content = body.finish();
  const length = 10 + content.length + 4;
  assert(length <= BLOCK_BYTES_MAX, "a block within what a board reserves");
  const block = new ByteWriter().bytes(Buffer.from("BWPROV4\0", "latin1")).u16(length);
  block.bytes(content);
  return block.u32(crc32(block.finish())).finish();
}
