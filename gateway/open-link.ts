/**
 * The gateway's link as its settings want it: our own broker or somebody else's, and on top of it
 * those that speak other languages than ours, ChirpStack and hosts of Sparkplug.
 */

import type { Authentication } from "./authentication.ts";
import { type BrokerOptions, startBroker } from "./broker.ts";
import type { GatewayConfig } from "./config.ts";
import { connectBroker } from "./external-broker.ts";
import type { Link, LinkEvents, Log } from "./link.ts";
import { withLorawan } from "./lorawan-link.ts";
import { openAccess } from "./open-access.ts";
import { encryptedListeners, pageOrigins } from "./open-listeners.ts";
import { type SparkplugLink, withSparkplug } from "./sparkplug-link.ts";
import { ServerCertificates } from "./tls-listener.ts";

export type OpenedLink = Link & {
  /** See `RunningGateway`. */
  readonly beginOperator: () => Promise<string | undefined>;
  /** Undefined on a broker that is not ours. */
  readonly authentication?: Authentication;
};

/** @throws EdgeError `broker-open`, `broker-port`, `rights-self-test`, `lorawan-application` */
export async function openLink(
  config: GatewayConfig,
  classes: readonly string[],
  events: LinkEvents,
): Promise<OpenedLink> {
  const { url, ...broker } = config.broker;
  const options = { ...broker, base: config.base };
  if (url !== undefined) {
    const link = withOthers(connectBroker({ ...options, url }, events), config, classes, events);
    return { ...link.link, beginOperator: () => Promise.resolve(undefined) };
  }
  const access = openAccess(config, events.log);
  let others: SparkplugLink<Link> | undefined;
  const onMessage = (topic: string, payload: Uint8Array): void => {
    if (others?.take(topic, payload) !== true) events.onMessage(topic, payload);
  };
  try {
    const ours = {
      ...options,
      ...furtherListeners(config, events.log),
      authentication: access.authentication,
      edge: isOnOurs(config) ? config.sparkplug : undefined,
    };
    const link = await startBroker(ours, { ...events, onMessage });
    const whole = withOthers(link, config, classes, events);
    others = whole;
    return {
      ...whole.link,
      beginOperator: access.beginOperator,
      authentication: access.authentication,
      close: async () => {
        await whole.link.close();
        access.close();
      },
    };
  } catch (error) {
    access.close();
    throw error;
  }
}

/** Hosts of Sparkplug are on the broker that the gateway itself runs. */
function isOnOurs({ broker, sparkplug }: GatewayConfig): boolean {
  return sparkplug.enabled && broker.url === undefined && sparkplug.url === undefined;
}

function withOthers(
  link: Link,
  config: GatewayConfig,
  classes: readonly string[],
  events: LinkEvents,
): SparkplugLink<Link> {
  const { base, version, dataDirectory, broker, lorawan, sparkplug } = config;
  const whole = withLorawan(link, { ...lorawan, base }, events);
  if (!sparkplug.enabled) return { link: whole, take: () => false };
  const { url = broker.url } = sparkplug;
  const files = sparkplug.url === undefined ? broker : sparkplug;
  const at = url === undefined ? undefined : { ...files, url };
  const options = { ...sparkplug, base, classes, version, dataDirectory, broker: at };
  return withSparkplug(whole, options, events);
}

/** What is listened on besides plain MQTT; certificates are opened where something needs them. */
function furtherListeners(
  config: GatewayConfig,
  log: Log,
): Pick<BrokerOptions, "tls" | "websocket"> {
  const { tls, websocket, dataDirectory } = config;
  const encrypted = encryptedListeners(config);
  const certificates =
    encrypted.tls || encrypted.websocket
      ? new ServerCertificates({ ...tls, dataDirectory }, log)
      : undefined;
  return {
    ...(tls.enabled && certificates !== undefined && { tls: { ...tls, certificates } }),
    ...(websocket.enabled && {
      websocket: {
        ...websocket,
        origins: [...websocket.origins, ...pageOrigins(config)],
        certificates: encrypted.websocket ? certificates : undefined,
      },
    }),
  };
}
