/**
 * A phone as a node: a device with a browser's storage and crypto, and the link that the gateway's page
 * tells of.
 */

import { bytesOfHex } from "../../src/bytes.ts";
import type { Profile } from "../../src/signal/profile.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import type { PhoneAbout } from "../../src/wire/phone.ts";
import { topicBase } from "../../src/wire/topics.ts";
import { type Device, startDevice } from "../device.ts";
import type { NodeObserver } from "../node-runtime.ts";
import { DEVICE } from "../node-settings.ts";
import type { NodeSettings } from "../node-types.ts";
import type { IndexedStorage } from "./indexed-storage.ts";
import { pageCrypto } from "./page-crypto.ts";

export const PHONE: NodeSettings = { ...DEVICE, firmware: "bellwether-phone 0.1.0" };

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

export type Phone = Omit<Device, "shape"> & {
  /** What its model is made for, which releases do not change. */
  readonly profile: Omit<Profile, "labelClass">;
};

/** Throws `EdgeError` where the gateway's factory model cannot be used. */
export async function startPhone(options: PhoneOptions): Promise<Phone> {
  const { node, url, about, password, key, factory, storage, observer } = options;
  const { shape, ...device } = await startDevice({
    id: node,
    factory,
    settings: { ...PHONE, publicKeys: key === null ? [] : [bytesOfHex(key)] },
    crypto: pageCrypto,
    storage,
    link: {
      url,
      base: topicBase(about.base),
      ...(password !== undefined && { password: () => password }),
    },
    random: () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0,
    observer,
  });
  return { ...device, profile: { name: about.profile, ...shape } };
}
