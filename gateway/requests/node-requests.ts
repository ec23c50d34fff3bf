/** Requests about nodes' credentials: the same as `bellwether nodes` does, by the same functions. */

import { EdgeError } from "../../src/assert.ts";
import type { AccessStore } from "../access/access-store.ts";
import {
  CODE_MINUTES,
  freeName,
  givePassword,
  knownIdentity,
  listNodes,
  openCode,
  revokeNode,
  withAccessStore,
} from "../access/credentials.ts";
import type { GatewayState } from "../gateway-state.ts";
import type { RequestTable } from "./request-desk.ts";

export type NodeRequestParts = {
  readonly state: GatewayState;
  /** Where credentials are kept. */
  readonly dataDirectory: string;
  /** The broker is ours, and knows its clients by our list of them. */
  readonly isOurs: boolean;
};

const NO_CREDENTIALS = { created: 0, changed: 0, password: false, certificate: null } as const;

/** What would be changed here alone would let nobody in and keep nobody out. */
function elsewhere(): never {
  throw credentialsElsewhere("this request");
}

/** Also for commands that would change the list of an own broker that is not there. */
export function credentialsElsewhere(where: string): EdgeError {
  return new EdgeError({
    code: "credentials-elsewhere",
    message: "this gateway is a client of another broker, which knows its clients itself",
    where,
    hint:
      "For a Mosquitto: `bellwether nodes add NAME --password`, then " +
      "`bellwether nodes export --mosquitto DIR`. For others, their own tools.",
  });
}

export function nodeRequests({ state, dataDirectory, isOurs }: NodeRequestParts) {
  // As the command line does: the broker takes note of what others change, and ends sessions for it.
  const withStore = <T>(work: (store: AccessStore) => T | Promise<T>): Promise<T> =>
    withAccessStore(dataDirectory, work);
  const isOnline = (name: string): boolean =>
    [...state.nodes.values()].some(({ row, online }) => row.node === name && online);
  const list = () =>
    withStore((store) => {
      const { nodes, codes } = listNodes(store, Date.now());
      const known = new Set(nodes.map(({ node }) => node));
      // Of whom another broker lets in there is nothing here but that it was heard.
      const heard = isOurs ? [] : [...state.nodes.keys()].filter((node) => !known.has(node));
      const strangers = heard.map((node) => ({ node, ...NO_CREDENTIALS }));
      const told = [...nodes, ...strangers].map((node) => {
        return { ...node, online: isOnline(node.node) };
      });
      return { data: { nodes: told, codes } };
    });
  if (!isOurs) {
    return {
      "nodes/list": list,
      "nodes/add": elsewhere,
      "nodes/revoke": elsewhere,
      "nodes/rotate": elsewhere,
    } satisfies RequestTable;
  }
  return {
    "nodes/list": list,
    "nodes/add": ({ node, uses = 1, minutes = CODE_MINUTES }) =>
      withStore(async (store) => {
        if (node !== undefined) freeName(store, node);
        const wish = { node, uses, replaces: false, minutes };
        const data = await openCode(store, wish, Date.now());
        return { data, what: node ?? `${uses} of any name`, ...(node && { node }) };
      }),
    "nodes/revoke": ({ name }) =>
      withStore((store) => {
        const { codes, node } = revokeNode(store, name);
        return { data: { name, codes, node }, what: name };
      }),
    "nodes/rotate": ({ node, code = false, minutes = CODE_MINUTES }) =>
      withStore(async (store) => {
        knownIdentity(store, node, ["node"]);
        const said = { what: node, node };
        if (!code) {
          const password = await givePassword(store, node, "node");
          return { data: { node, password, code: null, label: null, expires: null }, ...said };
        }
        const wish = { node, uses: 1, replaces: true, minutes };
        const opened = await openCode(store, wish, Date.now());
        return { data: { ...opened, node, password: null }, ...said };
      }),
  } satisfies RequestTable;
}
