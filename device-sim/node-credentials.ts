/**
 * What a simulated node was given when it joined, kept beside its outbox, readable by nobody else.
 */

import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EdgeError } from "../src/assert.ts";
import { type JoinResponse, readJoinResponse } from "../src/wire/join.ts";
import type { NodeId } from "../src/wire/messages.ts";

/** What it was answered when it joined, as it came. */
export type NodeCredentials = Extract<JoinResponse, { status: "ok" }>;

/** Undefined where it has never joined. Throws `EdgeError` `credentials-unreadable`. */
export function readCredentials(storageDir: string, node: NodeId): NodeCredentials | undefined {
  const file = fileOf(storageDir, node);
  if (!existsSync(file)) return undefined;
  const kept = readJoinResponse(readFileSync(file, "utf8"));
  if (kept?.status === "ok") return kept;
  throw new EdgeError({
    code: "credentials-unreadable",
    message: "these are no credentials of a node",
    where: file,
    hint: "Remove the file and join again with a new code (`bellwether nodes rotate --code`).",
  });
}

export function keepCredentials(
  storageDir: string,
  node: NodeId,
  credentials: NodeCredentials,
): void {
  const file = fileOf(storageDir, node);
  mkdirSync(join(storageDir, node), { recursive: true });
  const temporary = `${file}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(credentials)}\n`, { mode: 0o600, flush: true });
  chmodSync(temporary, 0o600);
  renameSync(temporary, file);
}

function fileOf(storageDir: string, node: NodeId): string {
  return join(storageDir, node, "credentials.json");
}
