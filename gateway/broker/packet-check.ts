/**
 * Whether one whole MQTT packet from a client is well formed, for MQTT 3.1, 3.1.1 and 5.
 *
 * The broker's own parser is lenient about what the standards forbid (ill-formed UTF-8, NUL, reserved
 * bits, wildcards in the wrong place), and whatever it lets through reaches topic matching, logs and
 * file names. This file decides on bytes alone, keeps nothing, and never throws: an expected refusal
 * is a text. Clause numbers are those of MQTT 3.1.1 unless they say otherwise.
 */

import { LIMITS } from "../../src/wire/limits.ts";

export const PACKET = {
  connect: 1,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  unsubscribe: 10,
  pingreq: 12,
  disconnect: 14,
} as const;

/** Filters in one SUBSCRIBE: Home Assistant puts up to 500 into one, and all retained topics are matched
 * against them. */
const FILTERS_MAX = 512;
const CLIENT_ID_BYTES_MAX = 128;

/** A packet that may pass, with what the connection's own bookkeeping needs; or why not. */
export type PacketCheck =
  | { readonly ok: true; readonly protocol?: number; readonly qos2Id?: number }
  | { readonly ok: false; readonly reason: string };

const PASS: PacketCheck = { ok: true };

/**
 * @param first the first byte: type in the high nibble, flags in the low
 * @param body everything behind the remaining length
 * @param protocol the level that CONNECT named: 3, 4 or 5; 0 before CONNECT
 */
export function checkPacket(first: number, body: Uint8Array, protocol: number): PacketCheck {
  const at = new Cursor(body);
  try {
    return check(first >> 4, first & 0x0f, at, protocol);
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, reason: error.reason };
    throw error;
  }
}

function check(type: number, flags: number, at: Cursor, protocol: number): PacketCheck {
  if (type === PACKET.publish) return checkPublish(flags, at, protocol);
  // [MQTT-2.2.2-1] every other packet has fixed flags.
  const marked = type === PACKET.pubrel || type === PACKET.subscribe || type === PACKET.unsubscribe;
  if (flags !== (marked ? 2 : 0)) refuse("reserved flags of the fixed header are set");
  switch (type) {
    case PACKET.connect:
      return checkConnect(at);
    case PACKET.puback:
    case PACKET.pubrec:
    case PACKET.pubrel:
    case PACKET.pubcomp:
      return checkAcknowledgement(type, at, protocol);
    case PACKET.subscribe:
      return checkSubscribe(at, protocol);
    case PACKET.unsubscribe:
      return checkUnsubscribe(at, protocol);
    case PACKET.pingreq:
      at.end();
      return PASS;
    case PACKET.disconnect:
      if (protocol === 5 && at.left > 0) {
        at.u8();
        if (at.left > 0) skipProperties(at);
      }
      at.end();
      return PASS;
    default:
      return { ok: false, reason: `packet type ${type} does not come from clients` };
  }
}

function checkConnect(at: Cursor): PacketCheck {
  const name = at.text("protocol name", 6);
  const protocol = at.u8();
  const known =
    name === "MQTT" ? protocol === 4 || protocol === 5 : name === "MQIsdp" && protocol === 3;
  if (!known) refuse("not MQTT 3.1, 3.1.1 or 5");
  const flags = at.u8();
  const will = (flags & 0x04) !== 0;
  const willQos = (flags >> 3) & 3;
  if ((flags & 1) !== 0) refuse("reserved connect flag"); // [MQTT-3.1.2-3]
  if (willQos === 3 || (!will && (flags & 0x38) !== 0)) refuse("will flags"); // [MQTT-3.1.2-13..15]
  // [MQTT-3.1.2-22] Version 5 allows a password without a user name.
  if (protocol < 5 && (flags & 0xc0) === 0x40) refuse("password without user name");
  at.u16();
  if (protocol === 5) skipProperties(at);
  const clientId = at.text("client id", CLIENT_ID_BYTES_MAX);
  if (isInherited(clientId)) refuse("client id is a reserved word");
  if (will) {
    if (protocol === 5) skipProperties(at);
    checkTopicName(at.text("will topic", LIMITS.topicBytes));
    at.binary();
  }
  if ((flags & 0x80) !== 0) at.text("user name", LIMITS.connectBytes);
  if ((flags & 0x40) !== 0) at.binary();
  at.end();
  return { ok: true, protocol };
}

function checkPublish(flags: number, at: Cursor, protocol: number): PacketCheck {
  const qos = (flags >> 1) & 3;
  if (qos === 3) refuse("quality of service 3"); // [MQTT-3.3.1-4]
  if (qos === 0 && (flags & 8) !== 0) refuse("duplicate flag without acknowledgement");
  checkTopicName(at.text("topic", LIMITS.topicBytes));
  const id = qos > 0 ? packetId(at) : 0;
  if (protocol === 5) skipProperties(at);
  return qos === 2 ? { ok: true, qos2Id: id } : PASS;
}

function checkAcknowledgement(type: number, at: Cursor, protocol: number): PacketCheck {
  const id = packetId(at);
  if (protocol === 5 && at.left > 0) {
    at.u8();
    if (at.left > 0) skipProperties(at);
  }
  at.end();
  return type === PACKET.pubrel ? { ok: true, qos2Id: id } : PASS;
}

function checkSubscribe(at: Cursor, protocol: number): PacketCheck {
  packetId(at);
  if (protocol === 5) skipProperties(at);
  for (let filters = 1; ; filters++) {
    if (filters > FILTERS_MAX) refuse(`more than ${FILTERS_MAX} filters`);
    checkTopicFilter(at.text("filter", LIMITS.topicBytes));
    const options = at.u8();
    const reserved = protocol === 5 ? options & 0xc0 : options & 0xfc;
    if ((options & 3) === 3 || reserved !== 0) refuse("subscription options"); // [MQTT-3.8.3-4]
    if ((options & 0x30) === 0x30) refuse("retain handling 3"); // MQTT 5, 3.8.3.1
    if (at.left === 0) return PASS;
  }
}

function checkUnsubscribe(at: Cursor, protocol: number): PacketCheck {
  packetId(at);
  if (protocol === 5) skipProperties(at);
  for (let filters = 1; ; filters++) {
    if (filters > FILTERS_MAX) refuse(`more than ${FILTERS_MAX} filters`);
    checkTopicFilter(at.text("filter", LIMITS.topicBytes));
    if (at.left === 0) return PASS;
  }
}

/** [MQTT-2.3.1-1] never zero. */
function packetId(at: Cursor): number {
  const id = at.u16();
  if (id === 0) refuse("packet id 0");
  return id;
}

function checkTopicName(topic: string): void {
  if (topic.includes("+") || topic.includes("#")) refuse("wildcard in a topic name");
  checkLevels(topic);
}

/** 4.7.1: `#` only as the last level, `+` only as a whole level. */
function checkTopicFilter(filter: string): void {
  const levels = checkLevels(filter);
  levels.forEach((level, index) => {
    if (level.includes("#") && (level !== "#" || index !== levels.length - 1))
      refuse("misplaced #");
    if (level.includes("+") && level !== "+") refuse("misplaced +");
  });
}

function checkLevels(topic: string): string[] {
  if (topic.length === 0) refuse("empty topic"); // [MQTT-4.7.3-1]
  const levels = topic.split("/");
  if (levels.length > LIMITS.topicLevels) refuse(`more than ${LIMITS.topicLevels} topic levels`);
  // The broker keys plain objects by these names (advisory GHSA-52qw-whmv-87c5 of aedes).
  if (levels.some(isInherited) || isInherited(topic)) refuse("topic level is a reserved word");
  return levels;
}

function isInherited(name: string): boolean {
  return Object.hasOwn(Object.prototype, name);
}

/** MQTT 5, 2.2.2.2: how the value behind each property's number is written. */
const PROPERTY_FORMS: ReadonlyMap<
  number,
  "u8" | "u16" | "u32" | "varint" | "text" | "binary" | "pair"
> = new Map([
  [0x01, "u8"],
  [0x02, "u32"],
  [0x03, "text"],
  [0x08, "text"],
  [0x09, "binary"],
  [0x0b, "varint"],
  [0x11, "u32"],
  [0x15, "text"],
  [0x16, "binary"],
  [0x17, "u8"],
  [0x18, "u32"],
  [0x19, "u8"],
  [0x1f, "text"],
  [0x21, "u16"],
  [0x22, "u16"],
  [0x23, "u16"],
  [0x26, "pair"],
  [0x27, "u32"],
]);
/** User properties are stored with a message and copied to every subscriber. */
const PROPERTIES_MAX = 32;

function skipProperties(at: Cursor): void {
  const inside = new Cursor(at.take(at.varint()));
  const seen = new Set<number>();
  for (let count = 1; inside.left > 0; count++) {
    if (count > PROPERTIES_MAX) refuse(`more than ${PROPERTIES_MAX} properties`);
    const id = inside.u8();
    if (id !== 0x26 && seen.has(id)) refuse(`property ${id} twice`);
    seen.add(id);
    switch (PROPERTY_FORMS.get(id)) {
      case "u8":
        inside.u8();
        break;
      case "u16":
        inside.u16();
        break;
      case "u32":
        inside.take(4);
        break;
      case "varint":
        inside.varint();
        break;
      case "text":
        inside.text("property", LIMITS.connectBytes);
        break;
      case "binary":
        inside.binary();
        break;
      case "pair":
        inside.text("property name", LIMITS.connectBytes);
        inside.text("property value", LIMITS.connectBytes);
        break;
      default:
        refuse(`property ${id} does not come from clients`);
    }
  }
}

/** Leaves `check` by the shortest way; never leaves this file. */
class Refusal extends Error {
  readonly reason: string;
  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

function refuse(reason: string): never {
  throw new Refusal(reason);
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
// C0 and C1 controls, and the noncharacters that 1.5.3 lets a receiver refuse.
const UNWANTED = /[\u0000-\u001f\u007f-\u009f\ufdd0-\ufdef\ufffe\uffff]/;

/** Reads big-endian, as MQTT writes. */
class Cursor {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#offset;
  }
  take(length: number): Uint8Array {
    if (length > this.left) refuse("a length points behind the packet's end");
    this.#offset += length;
    return this.#bytes.subarray(this.#offset - length, this.#offset);
  }
  u8(): number {
    return this.take(1)[0] as number;
  }
  u16(): number {
    return this.u8() * 256 + this.u8();
  }
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return refuse("a variable length of more than four bytes");
  }
  binary(): Uint8Array {
    return this.take(this.u16());
  }
  /** [MQTT-1.5.3-1], [MQTT-1.5.3-2]: well-formed UTF-8 without NUL; here without controls at all. */
  text(what: string, maxBytes: number): string {
    const bytes = this.binary();
    if (bytes.length > maxBytes) refuse(`${what} of ${bytes.length} bytes, at most ${maxBytes}`);
    const text = plainAscii(bytes) ?? decodeStrictly(bytes, what);
    if (UNWANTED.test(text)) refuse(`${what} with control characters`);
    return text;
  }
  end(): void {
    if (this.left > 0) refuse(`${this.left} bytes too many`);
  }
}

/** Nearly every text is short ASCII, for which starting a decoder costs more than reading it. */
function plainAscii(bytes: Uint8Array): string | undefined {
  if (bytes.length > LIMITS.topicBytes) return undefined;
  let text = "";
  for (const byte of bytes) {
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

function decodeStrictly(bytes: Uint8Array, what: string): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return refuse(`${what} is not UTF-8`);
  }
}
