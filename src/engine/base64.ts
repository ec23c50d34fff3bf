/** Base64 (RFC 4648, section 4) to bytes, for a module that travels inside of a source file. */

import { assert } from "../assert.ts";

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Line ends are passed over. The text is our own: anything else that is wrong is a bug. */
export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  const digits = text.replace(/\s/g, "").replace(/={0,2}$/, "");
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let bits = 0;
  let length = 0;
  for (let i = 0, at = 0; i < digits.length; i++) {
    const value = DIGITS.indexOf(digits[i] as string);
    assert(value >= 0, `${digits[i]} is a digit of base64`);
    bits = ((bits << 6) | value) & 0xffff;
    length += 6;
    if (length >= 8) {
      length -= 8;
      bytes[at++] = (bits >> length) & 0xff;
    }
  }
  return bytes;
}
