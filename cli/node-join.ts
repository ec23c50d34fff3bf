/**
 * What nodes show their gateway: credentials from an earlier run, or a join code's.
 */

import { type JoinOptions, joinGateway } from "../device-sim/mqtt-join.ts";
import {
  keepCredentials,
  type NodeCredentials,
  readCredentials,
} from "../device-sim/node-credentials.ts";
import { EdgeError } from "../src/assert.ts";
import type { NodeId } from "../src/wire/messages.ts";
import type { CommandIo } from "./command.ts";

export type JoinedNodes = {
  readonly passwords: ReadonlyMap<NodeId, string>;
  /** The gateway's release key as it was told to those who joined. */
  readonly publicKeys: readonly Uint8Array[];
  /** How many nodes these are of. */
  readonly nodes: number;
};

type JoinRequest = Omit<JoinOptions, "code"> & {
  readonly code: string | undefined;
  readonly storageDir: string | null;
};

/** Joins for every node that has never joined. Throws `EdgeError` as `joinGateway` does. */
export async function joinNodes(
  options: JoinRequest,
  nodes: readonly NodeId[],
  io: CommandIo,
): Promise<JoinedNodes> {
  const { code, storageDir, ...broker } = options;
  const passwords = new Map<NodeId, string>();
  const keys = new Set<string>();
  let joined = 0;
  for (const id of nodes) {
    let known = storageDir === null ? undefined : readCredentials(storageDir, id);
    if (known === undefined && code !== undefined) {
      known = await join({ ...broker, code }, id);
      joined++;
      if (storageDir !== null) keepCredentials(storageDir, id, known);
    }
    if (known === undefined) continue;
    passwords.set(id, known.password);
    if (known.key !== null) keys.add(known.key);
  }
  if (joined > 0) {
    io.note(joined === 1 ? "one node joined" : `${joined} nodes joined`);
    if (storageDir === null) io.note("without --store their credentials end with this");
  }
  const publicKeys = [...keys].map((key) => new Uint8Array(Buffer.from(key, "hex")));
  return { passwords, publicKeys, nodes: nodes.length };
}

async function join(options: JoinOptions, id: NodeId): Promise<NodeCredentials> {
  const answer = await joinGateway(options, id);
  if (answer.node === id) return answer;
  throw new EdgeError({
    code: "join-other-name",
    message: `this code is for ${answer.node}, not for ${id}`,
    where: "--join",
    hint: "Give that name, or make a code for any: bellwether nodes add --uses 12.",
  });
}
