/** The gateway from end to end: its own broker, a real teacher, real MQTT clients. */

import { spawn, spawnSync } from "node:child_process";
import { connectAsync } from "mqtt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OpenTeacher } from "../gateway/onnx-teacher.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import {
  AvailabilitySchema,
  BehaviourSchema,
  BridgeInfoSchema,
  DevicesSchema,
  EventSchema,
} from "../src/wire/public.ts";
import {
  base,
  cattle,
  gatewayOn,
  HandNode,
  type LogLine,
  offloadOf,
  removeFolder,
  temporaryFolder,
  untrainedTeacher,
  until,
} from "./gateway-kit.ts";

let folder: string;
let teacher: OpenTeacher;
let gateway: RunningGateway & { readonly lines: readonly LogLine[] };

beforeEach(async () => {
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
  gateway = await gatewayOn(folder, teacher);
});

afterEach(async () => {
  await gateway.stop();
  await teacher.close();
  removeFolder(folder);
});

describe("an offload", () => {
  it("is stored, acknowledged, answered, and kept as a soft label", async () => {
    const node = await HandNode.connect(gateway.url, "collar-1");
    await node.hello();
    await node.offload({ reason: "audit", chanceQ16: 3_277 });
    await until("ack and verdict", () => node.received.length >= 2);
    expect(node.received.map(({ kind }) => kind)).toEqual(["ack", "verdict"]);
    expect(node.acked()).toEqual([0]);
    const [verdict] = node.of("verdict");
    const sent = offloadOf(0);
    const expected = await teacher.predict(sent.window, 1, sent.inputMilligPerStep);
    const largest = Math.max(...expected.probabilities);
    expect(verdict?.classIndex).toBe(expected.probabilities.indexOf(largest));
    expect([...(verdict?.probabilitiesQ8 ?? [])]).toEqual(
      [...expected.probabilities].map((p) => Math.round(255 * p)),
    );
    await until("the label is stored", () => gateway.labels().softLabelCount().total === 1);
    const [label] = gateway.labels().softLabels();
    expect(label).toMatchObject({
      node: "collar-1",
      epoch: 1,
      seq: 0,
      reason: "audit",
      chanceQ16: 3_277,
      teacherId: teacher.id,
      trusted: true,
      inputMilligPerStep: cattle.inputMilligPerStep,
    });
    expect(label?.window).toEqual(sent.window);
    expect(label?.probabilities).toEqual(expected.probabilities);
    await node.close();
  });
});
