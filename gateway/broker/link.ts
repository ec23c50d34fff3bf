/**
 * The gateway's seam to MQTT: the embedded broker on one side, a foreign broker on the other.
 *
 * Messages to nodes go out with quality of service 0: what is lost with a connection is asked for
 * again by the node, which repeats what was not acknowledged and wants the chunks it lacks.
 */

export type LinkEvents = {
  /** A message on one of the topics in `gatewayFilters`. The bytes are the receiver's to keep. */
  readonly onMessage: (topic: string, payload: Uint8Array) => void;
  /** The way to the broker is open or not; retained topics must be told anew each time it opens. */
  readonly onConnection: (open: boolean) => void;
  /** Somebody who may asks for something. */
  readonly onRequest?: (request: LinkRequest) => void;
  readonly log: Log;
};

/** A message below `bridge/request/`, of somebody who may publish there. */
export type LinkRequest = {
  /** What stands behind `bridge/request/`. */
  readonly name: string;
  readonly payload: Uint8Array;
  /** Undefined on a broker of somebody else, which does not say. */
  readonly user: string | undefined;
  /** Of MQTT 5 (4.10): where the answer is wanted, and what it is to be known by. */
  readonly responseTopic?: string | undefined;
  readonly correlationData?: Uint8Array | undefined;
};

export type Link = {
  /** For people and for clients in tests: `mqtt://127.0.0.1:1883`. */
  readonly url: string;
  /** Every way in, that one first. */
  readonly urls: readonly string[];
  isOpen(): boolean;
  /** While the way is closed nothing is sent and nothing is kept. */
  publish(topic: string, payload: Uint8Array | string, options: PublishOptions): void;
  /** Sends what is left and closes. */
  close(): Promise<void>;
};

export type PublishOptions = {
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** For readers that speak MQTT 5; others get the message without it. */
  readonly correlationData?: Uint8Array;
};

export type LogLevel = "debug" | "info" | "warning" | "error";

/** One plain line for people; `fields` in the order given. */
export type Log = (
  level: LogLevel,
  message: string,
  fields?: Readonly<Record<string, string | number | boolean>>,
) => void;
