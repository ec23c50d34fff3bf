/**
 * A phone as a node: the node program of `device-sim`, with a browser's storage, crypto and link.
 *
 * Nothing is decided here. Where samples come from is the page's business; they are handed over in
 * milli-g at the profile's rate.
 */

import { bytesOfHex } from "../../src/bytes.ts";
import { chooseEngine } from "../../src/engine/choose-engine.ts";
import type { Profile } from "../../src/signal/profile.ts";
import { prng } from "../../src/prng.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import { topicBase } from "../../src/wire/topics.ts";
import type { PhoneAbout } from "../../src/wire/phone.ts";
import { modelLoader } from "../models.ts";
import { mqttLinks } from "../mqtt-link.ts";
import { type NodeObserver, type NodeRuntime, startNode } from "../node-runtime.ts";
import { COLLAR } from "../node-settings.ts";
import type { NodeSettings, NodeTools } from "../node-types.ts";
import type { IndexedStorage } from "./indexed-storage.ts";
import { pageCrypto } from "./page-crypto.ts";

/** A collar with a phone's memory. */
export const PHONE: NodeSettings = {
  ...COLLAR,
  firmware: "bellwether-phone 0.1.0",
  slotBytes: 1024 * 1024,
  ramBytes: 16 * 1024 * 1024,
};

/** Browsers slow a page's timers to one a second when it is not looked at. */
const TICK_MS = 500;

export type PhoneOptions = {
  readonly node: NodeId;
  /** Where MQTT is spoken: `wss://farm.local:9001/mqtt`. */
  readonly url: string;
  readonly about: PhoneAbout;
  /** Undefined where the gateway lets this machine in without. */
  readonly password: string | undefined;
  /** The public release key, hex; null where the gateway signs nothing. */
  readonly key: string | null;
  readonly factory: Uint8Array;
  readonly storage: IndexedStorage;
  readonly observer: NodeObserver;
};

export type Phone = {
  readonly runtime: NodeRuntime;
  /** What its model is made for, which releases do not change. */
  readonly profile: Omit<Profile, "labelClass">;
  /** Whole rows of milli-g; the last was at `wallMs`. */
  readonly samples: (startSample: number, millig: Int16Array, wallMs: number) => void;
  readonly stop: () => Promise<void>;
};

/** Throws `EdgeError` where the gateway's factory model cannot be used. */
export async function startPhone(options: PhoneOptions): Promise<Phone> {
  const { node, url, about, password, key, factory, storage, observer } = options;
  const load: NodeTools["load"] = modelLoader(chooseEngine(), pageCrypto);
  const { container } = load(factory);
  const [seed = 1, jitterSeed = 1] = crypto.getRandomValues(new Uint32Array(2));
  const jitter = prng(jitterSeed, "jitter");
  const runtime = await startNode({
    id: node,
    factory,
    settings: { ...PHONE, publicKeys: key === null ? [] : [bytesOfHex(key)] },
    tools: { crypto: pageCrypto, random: prng(seed, "node"), jitter, load },
    storage,
    openLink: mqttLinks({
      url,
      base: topicBase(about.base),
      ...(password !== undefined && { password: () => password }),
      random: jitter,
    }),
    clock: () => ({ uptimeMs: performance.now(), wallMs: Date.now() }),
    newEpoch,
    observer,
  });
  const timer = setInterval(() => runtime.step({ kind: "tick" }), TICK_MS);
  const { student, classes, rateCentihertz, hopSamples, inputMilligPerStep } = container;
  const { windowSamples, channels } = student;
  const rateHz = rateCentihertz / 100;
  const shape = { rateHz, windowSamples, hopSamples, channels, inputMilligPerStep };
  return {
    runtime,
    profile: { name: about.profile, classes, ...shape },
    samples: (startSample, millig, wallMs) => {
      const at = { uptimeMs: performance.now(), wallMs };
      runtime.step({ kind: "samples", startSample, millig }, at);
    },
    stop: () => {
      clearInterval(timer);
      return runtime.stop();
    },
  };
}

/** 1 to 2^32 - 1 */
function newEpoch(): number {
  const [drawn = 0] = crypto.getRandomValues(new Uint32Array(1));
  return Math.max(1, drawn);
}
