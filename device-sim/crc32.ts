/**
 * CRC-32 (ISO 3309, the polynomial of zip and Ethernet), for records that a power cut may tear.
 *
 * It finds accidents, never attacks: what comes from the network is checked by signature and hash.
 */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb8_8320 : remainder >>> 1;
  }
  return remainder;
});

/** 0..2^32-1; `crc32("123456789") = 0xcbf43926`. */
export function crc32(bytes: Uint8Array): number {
  let remainder = 0xffff_ffff;
  for (const byte of bytes) {
    remainder = (remainder >>> 8) ^ (TABLE[(remainder ^ byte) & 0xff] as number);
  }
  return (remainder ^ 0xffff_ffff) >>> 0;
}
