/** Base64 against Node's own, and the examples of RFC 4648, section 10. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { bytesOfBase64 } from "../src/engine/base64.ts";

it.each(["", "f", "fo", "foo", "foob", "fooba", "foobar"])("decodes %j", (text) => {
  const encoded = Buffer.from(text).toString("base64");
  expect(Buffer.from(bytesOfBase64(encoded)).toString()).toBe(text);
});

it("decodes any bytes, with line ends anywhere", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 20 }), (bytes, columns) => {
      const text = Buffer.from(bytes)
        .toString("base64")
        .replace(new RegExp(`(.{${columns}})`, "g"), "$1\n");
      expect(bytesOfBase64(text)).toEqual(Uint8Array.from(bytes));
    }),
  );
});

it("asserts that there is nothing else in the text", () => {
  expect(() => bytesOfBase64("Zm9v*A==")).toThrow("* is a digit of base64");
});
