/**
 * A bound on everything that crosses the wire, each with its reason.
 *
 * A length that a stranger announces is compared with these before anything is stored or computed.
 * They are sized for a microcontroller's flash and a Raspberry Pi's memory, and are part of the
 * format: changing one is a change of `FRAME_VERSION`.
 */

export const LIMITS = {
  /** One MQTT packet. The largest frame is a tenth of this; the rest is for people's own tools. */
  packetBytes: 256 * 1024,
  /** A CONNECT packet: client id, user, password, will; long before anyone is known. */
  connectBytes: 4 * 1024,
  /** One frame of ours. An offer with the hashes of the largest release is 17 KiB. */
  frameBytes: 24 * 1024,
  /** One topic. The longest that we make ourselves is base + 83 bytes. */
  topicBytes: 128,
  topicLevels: 8,
  /** The part before `/node/…`: at most three levels, so that `topicLevels` holds. */
  baseBytes: 40,
  baseLevels: 3,
  /** A node's name is also a topic level, an MQTT client id and a file name. */
  nodeIdBytes: 64,
  /** `cattle/neck/10.00Hz/50x3` and the like. */
  cohortBytes: 64,
  firmwareBytes: 32,
  /** A behaviour's name in a container and on public topics. */
  classNameBytes: 32,

  /** One window, `[time][channel]` int8: 20 s at 50 Hz; 8 KiB is what a small node can spare. */
  windowSamples: 1024,
  channels: 8,
  /** 10 kHz: more than any accelerometer that is worn. */
  rateCentihertz: 1_000_000,
  windowBytes: 8 * 1024,
  /** Packed codes of one window: what a raw one of 256 x 3 takes; larger ones would save nothing. */
  codeBytes: 768,
  /** Class indices and exits travel as one byte; 18 activities are the most that we know of. */
  classes: 64,
  exits: 8,
  /** Entries in one report: 64 are five minutes of windows and 860 bytes. */
  reportEntries: 64,
  /** Sequence numbers in one acknowledgement: what a gateway commits at once, many times over. */
  ackSeqs: 256,
  /** Percent; and the longest silence that a healthy node may announce, a week. */
  batteryPercent: 100,
  wakeMs: 7 * 24 * 3600 * 1000,
  /** Operating points of a model, from 1: named in five bits of a report. */
  operatingPoints: 16,
  /** Offloads that a gateway may ask for at once: a distillation needs tens, never thousands. */
  burstWindows: 1000,

  /** A chunk must fit the receive buffer of a small MQTT client, and be worth its header. */
  chunkBytesMin: 512,
  chunkBytesMax: 1024,
  chunks: 2048,
  /** One `want` can ask for every chunk of the largest release. */
  bitmapBytes: 256,
  /** A student's container; real ones are 5 to 40 KiB, a slot is a page range of flash. */
  releaseBytes: 1024 * 1024,
  /** A manifest: 8 bytes for each of 2,048 chunks, and the rest. */
  manifestBytes: 20 * 1024,
  signatureBytes: 64,
  /** How far a release's sequence number may be above the running one. A stolen key could otherwise
   * release the highest number once and close the way for every release after it (the fast-forward
   * attack of The Update Framework). Ten thousand daily releases are 27 years. */
  sequenceJump: 10_000,
  /** Nesting and length of CBOR that a decoder follows; a manifest nests two deep. */
  cborDepth: 8,
  cborItems: 256,
} as const;
