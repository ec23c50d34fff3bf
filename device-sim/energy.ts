/**
 * A simulated node with a radio and a battery: counts what its windows, messages and rest cost.
 *
 * It stands beside the node program, which learns of it only the percentage that it reports.
 */

import type { LinkProfile } from "../src/link/link-profile.ts";
import {
  type Battery,
  batteryPercent,
  createBattery,
  meteredLoad,
  spendOnRadio,
  spendOnRest,
  spendOnWindow,
} from "./battery.ts";
import type { OpenLink } from "./link.ts";
import type { NodeObserver } from "./node-runtime.ts";
import type { ModelTools } from "./models.ts";
import { Radio } from "./radio.ts";

export type EnergyStatus = {
  readonly batteryPercent: number;
  readonly inferenceMillijoule: number;
  readonly radioMillijoule: number;
  readonly restMillijoule: number;
  /** Messages that arrived, the packets they took, and their time on the air. */
  readonly uplinks: number;
  readonly packets: number;
  readonly airtimeSeconds: number;
  /** Messages that the link would not take. */
  readonly refused: number;
};

export type MeteredNode = {
  readonly load: ModelTools["load"];
  around(open: OpenLink): OpenLink;
  observe(observer: NodeObserver): NodeObserver;
  /** Time passes; tells the percentage when it has changed. */
  tick(tell: (percent: number) => void): void;
  status(): EnergyStatus;
};

/** @param nowMs the simulated clock */
export function meterNode(
  options: { readonly profile: LinkProfile; readonly milliampereHours: number },
  nowMs: () => number,
  load: ModelTools["load"],
): MeteredNode {
  const { profile } = options;
  const battery = createBattery(profile, options.milliampereHours, nowMs());
  let refused = 0;
  const radio = new Radio(profile, nowMs, {
    spent: (microjoules) => spendOnRadio(battery, microjoules),
    refused: () => {
      refused += 1;
    },
  });
  let told = 100;
  return {
    load: meteredLoad(battery, profile, load),
    around: (open) => radio.around(open),
    observe: (observer) => ({
      ...observer,
      decided: (node, decided) => {
        spendOnWindow(battery, decided);
        observer.decided?.(node, decided);
      },
    }),
    tick: (tell) => {
      radio.tick();
      spendOnRest(battery, nowMs());
      const percent = batteryPercent(battery);
      if (percent === told) return;
      told = percent;
      tell(percent);
    },
    status: () => statusOf(battery, radio, refused),
  };
}

function statusOf(battery: Battery, { state }: Radio, refused: number): EnergyStatus {
  const { inference, radio, rest } = battery.spent;
  return {
    batteryPercent: batteryPercent(battery),
    inferenceMillijoule: inference / 1000,
    radioMillijoule: radio / 1000,
    restMillijoule: rest / 1000,
    uplinks: state.uplinks,
    packets: state.packets,
    airtimeSeconds: state.airtimeMs / 1000,
    refused,
  };
}
