/**
 * The byte-level guard in front of the broker: lets whole, well-formed MQTT packets through and
 * nothing else.
 *
 * The broker would otherwise buffer whatever length a stranger announces, up to 256 MB a connection
 * (moscajs/aedes#831). Here a length is compared with its limit before a byte of the packet is kept:
 * 4 KiB for the first packet, which must be CONNECT and must come soon, and 256 KiB after it. A
 * violation closes that one connection. The guard also keeps a connection to a rate of packets, by
 * not reading on, so that TCP slows the sender down and nothing is lost.
 */

import { Duplex } from "node:stream";
import { LIMITS } from "../../src/wire/limits.ts";
import { checkPacket, PACKET } from "./packet-check.ts";

/** Half-open QoS 2 handshakes that one client may have: each is a packet kept by the broker
 * (advisory GHSA-5jvp-3p2v-5qgf of aedes). */
const QOS2_OPEN_MAX = 32;

/** Whole packets, each with its fixed header; or the reason to close the connection. */
export type Guarded =
  | { readonly ok: true; readonly packets: readonly Uint8Array[] }
  | { readonly ok: false; readonly reason: string };

/** Cuts a connection's bytes into packets and checks each. Keeps at most one packet's bytes. */
export class PacketGuard {
  /** The start of a packet whose end has not come, in a buffer that doubles as it grows. */
  #held: Uint8Array = new Uint8Array(0);
  #heldBytes = 0;
  /** Length of that packet, once its header is known: nothing is looked at before. */
  #wantedBytes = 0;
  #protocol = 0;
  #refused: string | undefined;
  readonly #openQos2 = new Set<number>();

  get connected(): boolean {
    return this.#protocol !== 0;
  }

  /** After a refusal every further call repeats it. */
  feed(chunk: Uint8Array): Guarded {
    if (this.#refused !== undefined) return { ok: false, reason: this.#refused };
    const bytes = this.#heldBytes === 0 ? chunk : this.#append(chunk);
    const packets: Uint8Array[] = [];
    if (bytes.length < this.#wantedBytes) return { ok: true, packets };
    let offset = 0;
    this.#wantedBytes = 0;
    while (offset < bytes.length) {
      const total = this.#packetLength(bytes, offset);
      if (typeof total === "string") return this.#refuse(total);
      if (total === undefined) break;
      if (offset + total.bytes > bytes.length) {
        this.#wantedBytes = total.bytes;
        break;
      }
      const packet = bytes.subarray(offset, offset + total.bytes);
      const reason = this.#check(packet, total.headerBytes);
      if (reason !== undefined) return this.#refuse(reason);
      packets.push(packet);
      offset += total.bytes;
    }
    // A copy: a view would keep the whole network buffer alive behind a few bytes.
    if (offset > 0 || this.#heldBytes === 0) this.#held = bytes.slice(offset);
    this.#heldBytes = bytes.length - offset;
    return { ok: true, packets };
  }

  /** Everything held with the chunk behind it; linear in what arrives, however small the pieces. */
  #append(chunk: Uint8Array): Uint8Array {
    const length = this.#heldBytes + chunk.length;
    if (length > this.#held.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#held.length));
      larger.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = larger;
    }
    this.#held.set(chunk, this.#heldBytes);
    this.#heldBytes = length;
    return this.#held.subarray(0, length);
  }

  #refuse(reason: string): Guarded {
    this.#refused = reason;
    this.#held = new Uint8Array(0);
    this.#heldBytes = 0;
    return { ok: false, reason };
  }

  /** Undefined while the length itself has not arrived. [MQTT-2.2.3] */
  #packetLength(
    bytes: Uint8Array,
    offset: number,
  ): { bytes: number; headerBytes: number } | undefined | string {
    const first = bytes[offset] as number;
    if (!this.connected && first !== PACKET.connect << 4) return "the first packet is not CONNECT";
    let length = 0;
    for (let index = 0; index < 4; index++) {
      const byte = bytes[offset + 1 + index];
      if (byte === undefined) return undefined;
      length += (byte & 0x7f) << (7 * index);
      if (byte < 0x80) return this.#withinLimit(length, index + 2);
    }
    return "a packet length of more than four bytes";
  }

  #withinLimit(
    length: number,
    headerBytes: number,
  ): { bytes: number; headerBytes: number } | string {
    const bytes = headerBytes + length;
    const limit = this.connected ? LIMITS.packetBytes : LIMITS.connectBytes;
    return bytes > limit ? `a packet of ${bytes} bytes, at most ${limit}` : { bytes, headerBytes };
  }

  #check(packet: Uint8Array, headerBytes: number): string | undefined {
    const first = packet[0] as number;
    const type = first >> 4;
    if (this.connected && type === PACKET.connect) return "a second CONNECT"; // [MQTT-3.1.0-2]
    const result = checkPacket(first, packet.subarray(headerBytes), this.#protocol);
    if (!result.ok) return result.reason;
    if (result.protocol !== undefined) this.#protocol = result.protocol;
    if (result.qos2Id !== undefined) {
      if (type === PACKET.pubrel) this.#openQos2.delete(result.qos2Id);
      else this.#openQos2.add(result.qos2Id);
      if (this.#openQos2.size > QOS2_OPEN_MAX) return "too many open QoS 2 handshakes";
    }
    return undefined;
  }
}

export type GuardOptions = {
  /** From the connection to a whole CONNECT packet. */
  readonly connectMs: number;
  /** Packets a second in the long run, and how many may come at once. */
  readonly packetsPerSecond: number;
  readonly packetsBurst: number;
  readonly onRefused: (reason: string) => void;
};

/** What the broker is handed instead of the socket, or of what carries bytes in its place: TLS, a
 * WebSocket. Writing passes straight through. */
export class GuardedConnection extends Duplex {
  readonly #socket: Duplex;
  readonly #guard = new PacketGuard();
  readonly #options: GuardOptions;
  readonly #connectTimer: NodeJS.Timeout;
  #resumeTimer: NodeJS.Timeout | undefined;
  #tokens: number;
  #filledMs: number;

  constructor(socket: Duplex, options: GuardOptions) {
    super({ emitClose: true, allowHalfOpen: false, decodeStrings: true });
    this.#socket = socket;
    this.#options = options;
    this.#tokens = options.packetsBurst;
    this.#filledMs = performance.now();
    this.#connectTimer = setTimeout(() => this.#refuse("no CONNECT in time"), options.connectMs);
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  override _read(): void {
    if (this.#resumeTimer === undefined) this.#socket.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#send(chunk, done);
  }

  /** The broker writes a packet in pieces; together they are one call of the system. */
  override _writev(
    chunks: readonly { readonly chunk: Uint8Array }[],
    done: (error?: Error) => void,
  ): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#connectTimer);
    clearTimeout(this.#resumeTimer);
    this.#socket.destroy();
    done(error);
  }

  #send(bytes: Uint8Array, done: (error?: Error) => void): void {
    if (this.#socket.destroyed || this.#socket.write(bytes)) done();
    else this.#socket.once("drain", () => done());
  }

  #take(chunk: Uint8Array): void {
    const result = this.#guard.feed(chunk);
    if (!result.ok) {
      this.#refuse(result.reason);
      return;
    }
    if (this.#guard.connected) clearTimeout(this.#connectTimer);
    let room = true;
    for (const packet of result.packets) room = this.push(packet);
    const waitMs = this.#spend(result.packets.length);
    if (waitMs > 0) this.#pauseFor(waitMs);
    else if (!room) this.#socket.pause();
  }

  /** A token bucket; returns how long to stop reading. */
  #spend(packets: number): number {
    const nowMs = performance.now();
    const { packetsPerSecond, packetsBurst } = this.#options;
    const filled = this.#tokens + ((nowMs - this.#filledMs) * packetsPerSecond) / 1000;
    this.#tokens = Math.min(packetsBurst, filled) - packets;
    this.#filledMs = nowMs;
    return this.#tokens >= 0 ? 0 : (-this.#tokens * 1000) / packetsPerSecond;
  }

  #pauseFor(waitMs: number): void {
    this.#socket.pause();
    this.#resumeTimer = setTimeout(() => {
      this.#resumeTimer = undefined;
      this.#socket.resume();
    }, waitMs);
  }

  #refuse(reason: string): void {
    if (this.destroyed) return;
    this.#options.onRefused(reason);
    this.destroy();
  }
}
