/** Signatures on emulated boards, whose processors each multiply in their own way. */

import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { BOARDS, buildImage } from "../deploy/firmware/tools/boards.ts";
import { canEmulate, emulate } from "../deploy/firmware/tools/emulator.ts";
import { FIRMWARE_FOLDER, findProgram, TARGETS } from "../deploy/firmware/tools/toolchain.ts";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { below, prng } from "../src/prng.ts";
import { firmwareSources } from "./firmware-kit.ts";

const folder = mkdtempSync(join(tmpdir(), "bellwether-signatures-"));
afterAll(() => rmSync(folder, { recursive: true }));

const CASES = 12;

/** Half of them with a bit flipped somewhere. */
function makeCases() {
  const random = prng(6, "boards");
  return Array.from({ length: CASES }, (_, i) => {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const message = Uint8Array.from({ length: 1 + i }, () => below(random, 256));
    const key = Uint8Array.from(publicKey.export({ format: "der", type: "spki" }).subarray(-32));
    const signature = Uint8Array.from(sign(null, message, privateKey));
    const spoilt = [signature, key, message][i % 3] as Uint8Array;
    const at = below(random, spoilt.length);
    if (i % 2 === 1) spoilt[at] = (spoilt[at] ?? 0) ^ (1 << below(random, 8));
    return { key, message, signature };
  });
}

type Case = ReturnType<typeof makeCases>[number];

function writeCases(cases: readonly Case[]): void {
  const rows = cases.map(({ key, message, signature }) => {
    const lists = [signature, key, message].map((bytes) => `{${[...bytes].join(", ")}}`);
    return `    {${lists.join(", ")}, ${message.length}},`;
  });
  const text = [
    "#include <stdint.h>",
    "typedef struct signature_case {",
    `  uint8_t signature[64], key[32], message[${CASES}];`,
    "  uint32_t message_bytes;",
    "} signature_case;",
    `static const signature_case CASES[${cases.length}] = {`,
    ...rows,
    "};",
  ];
  writeFileSync(join(folder, "signature_cases.h"), `${text.join("\n")}\n`);
}

describe("signatures on a board", () => {
  const cases = makeCases();
  writeCases(cases);
  const expected = cases.map(({ key, message, signature }) =>
    nodeCrypto.verify(key, message, signature) ? "1" : "0",
  );

  for (const { name, target, emulator } of Object.values(BOARDS)) {
    const { compiler } = TARGETS[target];
    const there = canEmulate(name) && findProgram(compiler) !== undefined;
    if (!there) console.log(`${name} is skipped: it needs ${compiler} and ${emulator}`);

    // By size and by speed the Cortex-M4's multiplication is written in two ways.
    const flags = target === "cortex-m4" ? ["-Os", "-O2"] : ["-O2"];
    it.skipIf(!there).each(flags)(`are decided on by ${name} as by Node, %s`, async (flag) => {
      const output = join(folder, `${name}${flag}.elf`);
      const includes = ["crypto"].map((part) => `-I${join(FIRMWARE_FOLDER, part)}`);
      const sources = firmwareSources("programs/signatures.c", "crypto");
      buildImage({ board: name, sources, output, flags: [flag, `-I${folder}`, ...includes] });
      const finished = await emulate({ board: name, image: output, timeoutMs: 50_000 });
      expect(finished).toMatchObject({ exitCode: 0, output: expected.join("") });
      expect(expected.filter((good) => good === "1")).toHaveLength(CASES / 2);
    });
  }
});
