/** Builds MQTT packets byte by byte, good ones and such as no library would write. */

export type Version = 3 | 4 | 5;

export function text(value: string | Uint8Array): number[] {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
}

export function packet(first: number, body: readonly number[]): Uint8Array {
  return Uint8Array.from([first, ...varint(body.length), ...body]);
}

export function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>= 7;
  } while (rest > 0);
  return bytes;
}

export function connectPacket(
  version: Version = 4,
  options: {
    readonly id?: string | Uint8Array;
    readonly flags?: number;
    readonly after?: readonly number[];
    readonly properties?: readonly number[];
  } = {},
): Uint8Array {
  const { id = "c1", flags = 2, after = [], properties = [0] } = options;
  return packet(0x10, [
    ...text(version === 3 ? "MQIsdp" : "MQTT"),
    version,
    flags,
    0,
    60,
    ...(version === 5 ? properties : []),
    ...text(id),
    ...after,
  ]);
}

export function publishPacket(
  topic: string | Uint8Array,
  payload: readonly number[] = [1, 2, 3],
  qos = 0,
  version: Version = 4,
): Uint8Array {
  return packet(0x30 | (qos << 1), [
    ...text(topic),
    ...(qos > 0 ? [0, 7] : []),
    ...(version === 5 ? [0] : []),
    ...payload,
  ]);
}

export function subscribePacket(
  filters: readonly (string | Uint8Array)[],
  qos = 0,
  version: Version = 4,
): Uint8Array {
  return packet(0x82, [
    0,
    9,
    ...(version === 5 ? [0] : []),
    ...filters.flatMap((filter) => [...text(filter), qos]),
  ]);
}

export function unsubscribePacket(filter: string | Uint8Array, version: Version = 4): Uint8Array {
  return packet(0xa2, [0, 9, ...(version === 5 ? [0] : []), ...text(filter)]);
}

/** One good packet of each kind that a client sends. */
export function goodPackets(version: Version): Readonly<Record<string, Uint8Array>> {
  const will = [...text("will/topic"), ...text("gone")];
  const willProperties = version === 5 ? [0] : [];
  return {
    connect: connectPacket(version),
    "connect with everything": connectPacket(version, {
      flags: 0xc6,
      after: [...willProperties, ...will, ...text("user"), ...text("secret")],
    }),
    "publish 0": publishPacket("a/b", [1, 2], 0, version),
    "publish 1": publishPacket("a/b", [1, 2], 1, version),
    "publish 2": publishPacket("a/b", [1, 2], 2, version),
    puback: packet(0x40, [0, 7]),
    pubrec: packet(0x50, [0, 7]),
    pubrel: packet(0x62, [0, 7]),
    pubcomp: packet(0x70, [0, 7]),
    subscribe: subscribePacket(["a/+/b", "#", "a/#"], 1, version),
    unsubscribe: unsubscribePacket("a/#", version),
    pingreq: packet(0xc0, []),
    disconnect: packet(0xe0, []),
  };
}
