/**
 * A device that is one node: the node program, its ticks, and samples that come from outside. A phone's
 * page runs it as `bellwether node` does, each with its own storage and crypto.
 *
 * Nothing is decided here. Samples are handed over in milli-g at the rate of the node's model.
 */

import { chooseEngine } from "../src/engine/choose-engine.ts";
import type { Engine } from "../src/engine/engine.ts";
import { prng } from "../src/prng.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { Crypto } from "../src/wire/release.ts";
import { modelLoader } from "./models.ts";
import { type MqttLinkOptions, mqttLinks } from "./mqtt-link.ts";
import { type NodeOptions, type NodeRuntime, startNode } from "./node-runtime.ts";

/** Browsers slow a page's timers to one a second when it is not looked at. */
const TICK_MS = 500;

export type DeviceOptions = Pick<
  NodeOptions,
  "id" | "factory" | "settings" | "storage" | "observer"
> & {
  readonly crypto: Crypto;
  /** The fast one where left out. */
  readonly engine?: Engine;
  readonly link: Omit<MqttLinkOptions, "random">;
  /** 0 to 2^32 - 1, from the machine: epochs must not come twice. */
  readonly random: () => number;
};

export type Device = {
  readonly runtime: NodeRuntime;
  /** What its model is made for, which releases do not change. */
  readonly shape: Omit<Profile, "labelClass" | "name">;
  /** Whole rows of milli-g; the last was at `wallMs`. */
  readonly samples: (startSample: number, millig: Int16Array, wallMs: number) => void;
  readonly stop: () => Promise<void>;
};

/** Throws `EdgeError` where the factory model cannot be used. */
export async function startDevice(options: DeviceOptions): Promise<Device> {
  const { id, factory, settings, storage, observer, crypto, engine, link, random } = options;
  const load = modelLoader(engine ?? chooseEngine(), crypto);
  const { container } = load(factory);
  const jitter = prng(random(), "jitter");
  const runtime = await startNode({
    id,
    factory,
    settings,
    tools: { crypto, random: prng(random(), "node"), jitter, load },
    storage,
    openLink: mqttLinks({ ...link, random: jitter }),
    clock: () => ({ uptimeMs: performance.now(), wallMs: Date.now() }),
    newEpoch: () => Math.max(1, random()),
    observer,
  });
  const timer = setInterval(() => runtime.step({ kind: "tick" }), TICK_MS);
  const { student, classes, rateCentihertz, hopSamples, inputMilligPerStep } = container;
  const { windowSamples, channels } = student;
  const rateHz = rateCentihertz / 100;
  return {
    runtime,
    shape: { classes, rateHz, windowSamples, hopSamples, channels, inputMilligPerStep },
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
