/**
 * The same nodes, users and rights for a Mosquitto (2.0 and later): its password file, its access list
 * and a fragment of its configuration, as texts.
 *
 * Passwords need not be given out again: what is kept of them includes Mosquitto's form. Each node is
 * written out by name, since a `pattern` would make a node of every reader.
 */

import { LIMITS } from "../../src/wire/limits.ts";
import { isNodeId, nodeTopic, type TopicBase } from "../../src/wire/topics.ts";
import { type EdgeNode, edgeTopic, stateTopic } from "../sparkplug/sparkplug-names.ts";
import { HOME_ASSISTANT_STATUS } from "./access.ts";
import type { Identity } from "./access-store.ts";

/** The user that the gateway itself is on that broker. */
export const GATEWAY_USER = "gateway";
/** The user that it is as an edge node of Sparkplug: a second session needs a second user. */
export const SPARKPLUG_USER = "gateway-sparkplug";

export type MosquittoFiles = {
  readonly passwords: string;
  readonly acl: string;
  readonly conf: string;
};

export type MosquittoExport = {
  readonly base: TopicBase;
  readonly identities: readonly Identity[];
  /** What Mosquitto keeps of the gateway's password. */
  readonly gateway: string;
  /** The same of the edge node's, where there is one. */
  readonly sparkplug?: { readonly edge: EdgeNode; readonly password: string } | undefined;
  /** Where the files will lie. */
  readonly folder: string;
  /** Where Mosquitto listens for this machine. */
  readonly port: number;
};

export function mosquittoFiles({
  base,
  identities,
  gateway,
  sparkplug,
  folder,
  port,
}: MosquittoExport): MosquittoFiles {
  const lines = identities.flatMap(({ name, mosquitto }) =>
    mosquitto === null ? [] : [`${name}:${mosquitto}`],
  );
  const edge = sparkplug?.edge;
  const blocks = [
    block(GATEWAY_USER, [`topic readwrite ${base}/#`, "topic readwrite homeassistant/#"]),
    ...(edge === undefined ? [] : [block(SPARKPLUG_USER, edgeRights(edge))]),
    ...identities.map((identity) =>
      block(identity.name, [...rightsOf(base, identity), ...hostRights(edge, identity)]),
    ),
  ];
  const ours = [
    `${GATEWAY_USER}:${gateway}`,
    ...(sparkplug === undefined ? [] : [`${SPARKPLUG_USER}:${sparkplug.password}`]),
  ];
  return {
    passwords: [...ours, ...lines, ""].join("\n"),
    acl: [`# Written by bellwether: what it does not name is denied.`, ...blocks, ""].join("\n\n"),
    conf: confOf(folder, port),
  };
}

function rightsOf(base: TopicBase, { name, role }: Identity): readonly string[] {
  if (role === "node") {
    if (!isNodeId(name)) return [];
    return [
      `topic write ${base}/node/${name}/up/#`,
      `topic read ${base}/node/${name}/down/#`,
      `topic write ${nodeTopic(base, name, "availability")}`,
    ];
  }
  const administration =
    role === "operator"
      ? [`topic write ${base}/bridge/request/#`]
      : [`topic deny ${base}/bridge/request/#`, `topic deny ${base}/bridge/response/#`];
  return [
    `topic deny ${base}/node/#`,
    ...administration,
    `topic read ${base}/#`,
    "topic read homeassistant/#",
    `topic write ${HOME_ASSISTANT_STATUS}`,
  ];
}

function edgeRights(edge: EdgeNode): readonly string[] {
  const devices = (["DBIRTH", "DDATA", "DDEATH"] as const).map(
    (kind) => `topic write spBv1.0/${edge.group}/${kind}/${edge.edgeNode}/#`,
  );
  return [
    ...(["NBIRTH", "NDATA", "NDEATH"] as const).map(
      (kind) => `topic write ${edgeTopic(edge, kind)}`,
    ),
    ...devices,
    `topic read ${edgeTopic(edge, "NCMD")}`,
    "topic read spBv1.0/STATE/#",
  ];
}

/** As `mayHostPublish` has them. */
function hostRights(edge: EdgeNode | undefined, { role }: Identity): readonly string[] {
  if (edge === undefined || role === "node") return [];
  return [
    "topic read spBv1.0/#",
    `topic write ${edgeTopic(edge, "NCMD")}`,
    `topic write spBv1.0/${edge.group}/DCMD/${edge.edgeNode}/+`,
    ...edge.hosts.map((host) => `topic write ${stateTopic(host)}`),
  ];
}

function block(user: string, rights: readonly string[]): string {
  return [`user ${user}`, ...rights].join("\n");
}

/** `use_username_as_clientid` belongs to a listener: without one above it, Mosquitto 2.0 would open
 * port 1883 to everybody for it. */
function confOf(folder: string, port: number): string {
  return `# Written by bellwether, for mosquitto's conf.d or an include_dir.
allow_anonymous false
password_file ${folder}/passwords
acl_file ${folder}/acl
max_packet_size ${LIMITS.packetBytes}

listener ${port} 127.0.0.1
# A client is known by its user name and not by an id of its choice, or anybody could end anybody's
# session by taking the id. Two programs of one person therefore need two users.
use_username_as_clientid true

# For the network, with a certificate of \`bellwether certs make\`:
# listener 8883
# use_username_as_clientid true
# certfile ${folder}/server.pem
# keyfile ${folder}/server-key.pem
`;
}
