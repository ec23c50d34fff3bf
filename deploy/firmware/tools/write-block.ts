/**
 * Writes the provisioning block of one node, for whoever has a board on the desk:
 *
 *   npx node deploy/firmware/tools/write-block.ts --node collar-07 \
 *     --key data/keys/release-key.pub --user collar-07 --password ... --out block.bin
 *
 * What it does not ask for is as with a simulated collar. `BLOCK_OPTIONS` says what there is.
 */

import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { EdgeError } from "../../../src/assert.ts";
import { OFFLOAD_ENCODINGS } from "../../../src/wire/messages.ts";
import { DEFAULT_BASE, nodeId, topicBase } from "../../../src/wire/topics.ts";
import { encodeProvision } from "./provision.ts";

const TEXT = { type: "string" } as const;
/** `key` is a release key's public half as the gateway writes it, and may come up to four times. */
export const BLOCK_OPTIONS = {
  node: TEXT,
  key: { type: "string", multiple: true },
  base: TEXT,
  user: TEXT,
  password: TEXT,
  encoding: TEXT,
  out: TEXT,
} as const;

/** Throws `EdgeError` where something is missing or is no name. */
export function writeBlock(words: readonly string[]): string {
  const { values } = parseArgs({ args: [...words], options: BLOCK_OPTIONS });
  const { node, key = [], base = DEFAULT_BASE, user, password, out } = values;
  if (node === undefined || out === undefined) throw wrong("--node and --out are needed");
  const publicKeys = key.map((file) => Buffer.from(readFileSync(file, "utf8").trim(), "hex"));
  if (publicKeys.length > 4 || publicKeys.some(({ length }) => length !== 32)) {
    throw wrong("--key is a file with 64 hex digits, up to four times");
  }
  const encoding = values.encoding ?? "int8";
  const offloadEncoding = OFFLOAD_ENCODINGS.find((known) => known === encoding);
  if (offloadEncoding === undefined || offloadEncoding === "features") {
    throw wrong("--encoding is int8, companded4 or companded2");
  }
  const block = encodeProvision({
    id: nodeId(node, "--node"),
    base: topicBase(base, "--base"),
    publicKeys,
    // Another one for every node, so that a herd does not draw the same numbers.
    seed: randomBytes(4).readUInt32LE(),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    settings: { offloadEncoding },
  });
  writeFileSync(out, block, { mode: 0o600 });
  return `${out}: ${block.length} bytes, node ${node}, ${publicKeys.length} release keys`;
}

function wrong(message: string): EdgeError {
  return new EdgeError({
    code: "usage",
    message,
    where: "write-block",
    hint: "PORTING.md has an example.",
  });
}

function main(): void {
  try {
    console.log(writeBlock(process.argv.slice(2)));
  } catch (error) {
    if (!(error instanceof EdgeError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
