/**
 * The gateway's link as its settings want it: our own broker or somebody else's, and on top of it
 * those that speak other languages than ours, ChirpStack and hosts of Sparkplug.
 */

import type { Authentication } from "../access/authentication.ts";
import { type OpenAccess, openAccess } from "../access/open-access.ts";
import type { GatewayConfig } from "../config/config.ts";
import { withLorawan } from "../lorawan/lorawan-link.ts";
import { type SparkplugLink, withSparkplug } from "../sparkplug/sparkplug-link.ts";
import { type BrokerOptions, startBroker } from "./broker.ts";
import { connectBroker, type ExternalBrokerOptions } from "./external-broker.ts";
import type { Link, LinkEvents, Log } from "./link.ts";
import { encryptedListeners, pageOrigins } from "./open-listeners.ts";
import { ServerCertificates } from "./tls-listener.ts";

export type OpenedLink = Link & {
  /** See `RunningGateway`. */
  readonly beginOperator: () => Promise<string | undefined>;
  /** Who is known here: on our own broker everybody, on another those whom the page knows. */
  readonly authentication: Authentication;
};

/** As soon as our own broker takes note of what was changed. */
const REVIEW_MS = 200;

/** @throws EdgeError `broker-open`, `broker-port`, `rights-self-test`, `lorawan-application` */
export async function openLink(
  config: GatewayConfig,
  classes: readonly string[],
  events: LinkEvents,
): Promise<OpenedLink> {
  const { url, ...broker } = config.broker;
  const options = { ...broker, base: config.base };
  const access = openAccess(config, events.log);
  if (url !== undefined) return besideAccess({ ...options, url }, access, config, classes, events);
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

/** A broker of somebody else, who knows its clients; ours are those of the page. */
function besideAccess(
  options: ExternalBrokerOptions,
  access: OpenAccess,
  config: GatewayConfig,
  classes: readonly string[],
  events: LinkEvents,
): OpenedLink {
  try {
    const { link } = withOthers(connectBroker(options, events), config, classes, events);
    const reviewing = setInterval(() => review(access.authentication, events.log), REVIEW_MS);
    return {
      ...link,
      beginOperator: access.beginOperator,
      authentication: access.authentication,
      close: async () => {
        clearInterval(reviewing);
        await link.close();
        access.close();
      },
    };
  } catch (error) {
    access.close();
    throw error;
  }
}

function review(authentication: Authentication, log: Log): void {
  try {
    authentication.refresh();
  } catch (error) {
    log("error", "changes of credentials cannot be read", { reason: String(error) });
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
