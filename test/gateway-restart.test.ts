/** Stops, starts, a second gateway, a full disk, a herd with one loud node. */

import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { connectAsync } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LabelLog } from "../gateway/store/label-log.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import type { Teacher } from "../gateway/teacher/teacher.ts";
import { TeacherQueue } from "../gateway/teacher/teacher-queue.ts";
import { nodeId } from "../src/wire/topics.ts";
import {
  base,
  gatewayOn,
  HandNode,
  offloadOf,
  removeFolder,
  reportOf,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

let folder: string;
let teacher: OpenTeacher;

beforeAll(async () => {
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
});

afterAll(async () => {
  await teacher.close();
  removeFolder(folder);
});

const dataIn = (name: string): string => `broker: { port: 0 }\ndata_directory: ${name}`;

describe("a second start", () => {
  it("answers what was stored and not answered, once the node is back", async () => {
    const directory = path.join(folder, "unanswered");
    const log = new LabelLog({ directory, nowMs: 1 });
    const node = nodeId("collar-1");
    log.commit(
      [0, 1, 2].map((seq) => {
        const offload = offloadOf(seq);
        return { kind: "offload", node, nowMs: 1, offload, teachable: true } as const;
      }),
    );
    log.close();
    const gateway = await gatewayOn(folder, teacher, { yaml: dataIn("unanswered") });
    const collar = await HandNode.connect(gateway.url, "collar-1");
    await collar.hello();
    await until("three verdicts", () => collar.of("verdict").length === 3);
    expect(collar.of("verdict").map(({ seq }) => seq)).toEqual([0, 1, 2]);
    await collar.close();
    await gateway.stop();
  });

  it("tells the retained topics again, and counts on", async () => {
    const first = await gatewayOn(folder, teacher, { yaml: dataIn("again") });
    const collar = await HandNode.connect(first.url, "collar-1");
    await collar.hello();
    await collar.report([0, 1]);
    await collar.offload({ windowIndex: 1 });
    await until("a label", () => first.counters().softLabels === 1);
    await collar.close();
    await first.stop();

    const second = await gatewayOn(folder, teacher, { yaml: dataIn("again") });
    const people = await connectAsync(second.url, { reconnectPeriod: 0 });
    const seen = new Map<string, Record<string, unknown>>();
    people.on("message", (topic, payload) => {
      seen.set(topic.slice(base.length + 1), JSON.parse(payload.toString()));
    });
    await people.subscribeAsync(`${base}/#`);
    await until("the last of them", () => seen.has("bridge/info"));
    expect(seen.get("collar-1/behaviour")).toMatchObject({ behaviour: "grazing", sequence: 1 });
    expect(seen.get("collar-1/availability")).toEqual({ state: "offline" });
    expect(seen.get("bridge/info")).toMatchObject({ soft_labels: 1, nodes: 1 });
    await people.endAsync();
    await second.stop();
  });

  it("on the same data directory, while the first runs, is refused", async () => {
    const first = await gatewayOn(folder, teacher, { yaml: dataIn("shared-folder") });
    await expect(
      gatewayOn(folder, teacher, { yaml: dataIn("shared-folder") }),
    ).rejects.toMatchObject({ code: "data-directory-in-use" });
    await first.stop();
    const second = await gatewayOn(folder, teacher, { yaml: dataIn("shared-folder") });
    await second.stop();
  });

  it("sets a damaged label log aside and says where it is", async () => {
    mkdirSync(path.join(folder, "damaged"));
    writeFileSync(path.join(folder, "damaged", "labels.db"), "not a database at all");
    const gateway = await gatewayOn(folder, teacher, { yaml: dataIn("damaged") });
    const told = gateway.lines.filter(({ level }) => level === "error");
    expect(told).toHaveLength(1);
    expect(told[0]?.text).toContain("labels.db.damaged-");
    await gateway.stop();
  });

  it("leaves nothing half open when its port is taken", async () => {
    const first = await gatewayOn(folder, teacher, { yaml: dataIn("port-a") });
    const yaml = `broker: { port: ${new URL(first.url).port} }\ndata_directory: port-b`;
    await expect(gatewayOn(folder, teacher, { yaml })).rejects.toMatchObject({
      code: "broker-port",
    });
    // The directory is free again.
    const second = await gatewayOn(folder, teacher, { yaml: dataIn("port-b") });
    await second.stop();
    await first.stop();
  });
});

describe("a full disk", () => {
  it("acknowledges nothing that is not stored, says so, and goes on when there is room", async (context) => {
    const mount = path.join(folder, "small");
    mkdirSync(mount);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", mount]);
    if (mounted.status !== 0) {
      context.skip(`a file system cannot be mounted here: ${String(mounted.stderr ?? "").trim()}`);
    }
    try {
      writeFileSync(path.join(mount, "ballast"), new Uint8Array(1_500_000));
      const gateway = await gatewayOn(folder, teacher, { yaml: dataIn("small") });
      const people = await connectAsync(gateway.url, { reconnectPeriod: 0 });
      const states: Record<string, unknown>[] = [];
      people.on("message", (_topic, payload) => states.push(JSON.parse(payload.toString())));
      await people.subscribeAsync(`${base}/bridge/state`);
      const collar = await HandNode.connect(gateway.url, "collar-1");
      let sent = 0;
      while (gateway.counters().degraded === null && sent < 5_000) {
        for (let i = 0; i < 50; i++) await collar.send(offloadOf(sent++));
      }
      expect(gateway.counters().degraded).toContain("full");
      await until("people are told", () =>
        states.some(({ detail }) => String(detail).includes("full")),
      );
      expect(states.every(({ state }) => state === "online")).toBe(true);
      const acked = new Set(collar.acked());
      expect(acked.size).toBeLessThan(sent);
      rmSync(path.join(mount, "ballast"));
      // A node sends again what was not acknowledged, for as long as it takes.
      await until(
        "everything is acknowledged",
        async () => {
          for (const seq of collar.acked()) acked.add(seq);
          const missing = Array.from({ length: sent }, (_, seq) => seq).filter(
            (s) => !acked.has(s),
          );
          for (const seq of missing.slice(0, 200)) await collar.send(offloadOf(seq));
          await new Promise((resolve) => setTimeout(resolve, 100));
          return missing.length === 0;
        },
        30_000,
      );
      expect(gateway.counters().degraded).toBeNull();
      await until("every label", () => gateway.labels().softLabelCount().total === sent, 20_000);
      expect(states.at(-1)).toEqual({ state: "online" });
      await collar.close();
      await people.endAsync();
      await gateway.stop();
    } finally {
      spawnSync("umount", [mount]);
    }
  }, 60_000);

  it("is said on bridge/state with no acknowledgement at all where it is full from the start", async () => {
    const gateway = await gatewayOn(folder, teacher, { yaml: dataIn("tiny"), labelPagesMax: 18 });
    const collar = await HandNode.connect(gateway.url, "collar-1");
    for (let seq = 0; seq < 400; seq++) await collar.send(offloadOf(seq));
    await until("degraded", () => gateway.counters().degraded !== null);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const stored = gateway.nodes()[0]?.offloads ?? 0;
    expect(collar.acked().length).toBeLessThanOrEqual(stored);
    expect(collar.client.connected).toBe(true);
    await collar.close();
    await gateway.stop();
  });
});

describe("one loud node", () => {
  it("does not keep the others from the teacher", async () => {
    const order: string[] = [];
    const slow: Teacher = {
      ...teacher,
      predict: async (...args) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        return teacher.predict(...args);
      },
    };
    const stored = new Map<string, ReturnType<typeof itemOf>[]>();
    const queue = new TeacherQueue({
      teacher: slow,
      trust: () => true,
      batchSize: 4,
      waitMs: 1,
      nodeQueueMax: 16,
      queueMax: 64,
      fetch: (node, afterId, limit) =>
        (stored.get(node) ?? []).filter(({ offloadId }) => offloadId > afterId).slice(0, limit),
      onAnswer: (item) => order.push(item.node),
      onFailure: (error) => {
        throw error;
      },
    });
    let id = 1;
    const push = (name: string): void => {
      const item = itemOf(name, id++);
      stored.set(name, [...(stored.get(name) ?? []), item]);
      queue.push(item);
    };
    for (let i = 0; i < 500; i++) push("loud");
    for (let i = 0; i < 5; i++) for (const name of ["a", "b", "c"]) push(name);
    expect(queue.size).toBeLessThanOrEqual(64);
    await until("the quiet ones", () => order.filter((name) => name !== "loud").length === 15);
    expect(order.filter((name) => name === "loud").length).toBeLessThan(30);
    await until("all", () => order.length === 515, 20_000);
    await queue.stop();
  });

  it("a teacher that fails is asked again, and nothing is lost", async () => {
    let failures = 2;
    const failing: Teacher = {
      ...teacher,
      predict: (...args) =>
        failures-- > 0 ? Promise.reject(new Error("out of memory")) : teacher.predict(...args),
    };
    const gateway = await gatewayOn(folder, failing as OpenTeacher, { yaml: dataIn("failing") });
    const collar = await HandNode.connect(gateway.url, "collar-1");
    await collar.hello();
    await collar.offload();
    await collar.send(reportOf(7, [0]));
    await until("the verdict", () => collar.of("verdict").length === 1, 15_000);
    expect(gateway.lines.filter(({ text }) => text.includes("out of memory"))).toHaveLength(2);
    await collar.close();
    await gateway.stop();
  });
});

function itemOf(name: string, offloadId: number) {
  return { offloadId, node: nodeId(name), offload: offloadOf(offloadId) };
}
