/** Requests about nodes' credentials: the same as `bellwether nodes` does, by the same functions. */

import type { AccessStore } from "./access-store.ts";
import {
  CODE_MINUTES,
  freeName,
  givePassword,
  knownIdentity,
  listNodes,
  openCode,
  revokeNode,
  withAccessStore,
} from "./credentials.ts";
import type { GatewayState } from "./gateway-state.ts";
import type { RequestTable } from "./request-desk.ts";

export type NodeRequestParts = {
  readonly state: GatewayState;
  /** Where credentials are kept. */
  readonly dataDirectory: string;
};

export function nodeRequests({ state, dataDirectory }: NodeRequestParts) {
  // As the command line does: the broker takes note of what others change, and ends sessions for it.
  const withStore = <T>(work: (store: AccessStore) => T | Promise<T>): Promise<T> =>
    withAccessStore(dataDirectory, work);
  const isOnline = (name: string): boolean =>
    [...state.nodes.values()].some(({ row, online }) => row.node === name && online);
  return {
    "nodes/list": () =>
      withStore((store) => {
        const { nodes, codes } = listNodes(store, Date.now());
        const told = nodes.map((node) => ({ ...node, online: isOnline(node.node) }));
        return { data: { nodes: told, codes } };
      }),
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
