/**
 * Joins the gateway's link and ChirpStack's broker, so that the gateway need not know that some of
 * its nodes are behind LoRaWAN. It decides nothing: `chirpstack.ts` does.
 */

import { EdgeError } from "../../src/assert.ts";
import type { TopicBase } from "../../src/wire/topics.ts";
import { connectBroker } from "../broker/external-broker.ts";
import type { Link, LinkEvents } from "../broker/link.ts";
import {
  type ChirpstackEffect,
  chirpstackFilters,
  createChirpstackState,
  isLorawanTopic,
  stepChirpstack,
} from "./chirpstack.ts";
import type { LorawanConfig } from "./lorawan-config.ts";

/** Returns the link as it is where no ChirpStack is configured. Throws `EdgeError`
 * `lorawan-application`. */
export function withLorawan<L extends Link>(
  link: L,
  config: LorawanConfig & { readonly base: TopicBase },
  events: LinkEvents,
): L {
  const { url, application } = config;
  if (url === undefined) return link;
  if (application === "") {
    throw new EdgeError({
      code: "lorawan-application",
      message: "ChirpStack's broker is named, but not the application",
      where: "lorawan.application",
      hint: "Write its id, a UUID that ChirpStack shows beside the application's name.",
    });
  }
  const state = createChirpstackState(config);
  const perform = (effects: readonly ChirpstackEffect[]): void => {
    for (const effect of effects) {
      if (effect.kind === "up") events.onMessage(effect.topic, effect.frame);
      else if (effect.kind === "log") events.log(effect.level, effect.text, effect.fields);
      else chirpstack.publish(effect.topic, effect.payload, { qos: 1, retain: false });
    }
  };
  const chirpstack = connectBroker(
    { ...config, url, filters: chirpstackFilters(application) },
    {
      onMessage: (topic, payload) => {
        perform(stepChirpstack(state, { kind: "event", topic, payload }, Date.now()));
      },
      onConnection: () => undefined,
      log: events.log,
    },
  );
  return {
    ...link,
    publish: (topic, payload, how) => {
      if (typeof payload === "string" || !isLorawanTopic(state, topic)) {
        link.publish(topic, payload, how);
        return;
      }
      perform(stepChirpstack(state, { kind: "down", topic, frame: payload }, Date.now()));
    },
    close: async () => {
      await chirpstack.close();
      await link.close();
    },
  };
}
