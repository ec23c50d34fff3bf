/** `/metrics`, held against what a tap on the wire has counted. */

import { readFileSync } from "node:fs";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { encodeUp } from "../src/wire/frames.ts";
import { startTap } from "./firmware-tap.ts";
import {
  base,
  gatewayOn,
  HandNode,
  offloadOf,
  removeFolder,
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

type Answer = { readonly status: number; readonly text: string; readonly type: string };

function get(
  url: string,
  headers: Record<string, string> = {},
  method = "GET",
  path?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = { headers, method, ...(path !== undefined && { path }) };
    const asking = request(url, asked, (response) => {
      let text = "";
      response.on("data", (bytes: Buffer) => (text += bytes.toString()));
      response.on("end", () => {
        const type = response.headers["content-type"] ?? "";
        resolve({ status: response.statusCode ?? 0, text, type });
      });
    });
    asking.on("error", reject).end();
  });
}

/** Samples by name and labels; fails on a line that is none. */
function samplesOf(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("# HELP ") || line.startsWith("# TYPE ")) continue;
    const match = /^([a-z_]+(?:\{(?:[a-z_]+="[^"]*",?)+\})?) (\S+)$/.exec(line);
    expect(match, line).not.toBeNull();
    expect(samples.has(match?.[1] ?? ""), `${line} twice`).toBe(false);
    samples.set(match?.[1] ?? "", Number(match?.[2]));
  }
  return samples;
}

describe("metrics", () => {
  it("say what the wire says: windows, offloads, their ratio and bytes", async () => {
    const gateway = await gatewayOn(folder, teacher);
    const tap = await startTap(base, Number(new URL(gateway.url).port));
    const collar = await HandNode.connect(`mqtt://127.0.0.1:${tap.port}`, "collar-1");
    await collar.hello();
    await collar.report([0, 1, 2, 3, 4, 5, 6]);
    await collar.offload({ windowIndex: 2 });
    await collar.offload({ windowIndex: 4, reason: "audit" });
    await collar.report([7, 8, 9, 10, 11, 12]);
    // Sent again, as after a lost acknowledgement: a frame, and no offload and no window.
    await collar.send(offloadOf(1, { windowIndex: 2 }));
    await collar.report([7, 8, 9, 10, 11, 12], { seq: 3 });
    await until("all is stored", () => collar.acked().length >= 6);
    await until("both labels", () => gateway.counters().softLabels === 2);

    const offloads = tap.up.filter((message) => message.kind === "offload");
    const reports = tap.up.filter((message) => message.kind === "report");
    const own = new Set(offloads.map(({ epoch, seq }) => `${epoch}:${seq}`)).size;
    const windows = new Set(
      reports.flatMap(({ epoch, entries }) => entries.map((e) => `${epoch}:${e.windowIndex}`)),
    ).size;
    expect([offloads.length, own, reports.length, windows]).toEqual([3, 2, 3, 13]);

    const answer = await get(gateway.metricsUrl ?? "");
    expect(answer).toMatchObject({ status: 200, type: "text/plain; version=0.0.4; charset=utf-8" });
    const documented = readFileSync("docs/TOPICS.md", "utf8");
    for (const [, name] of answer.text.matchAll(/^# TYPE (\S+)/gm)) {
      expect(documented).toContain(`\`${name}\``);
    }
    const samples = samplesOf(answer.text);
    const sum = (name: string): number =>
      [...samples].filter(([key]) => key.startsWith(`${name}{`)).reduce((s, [, v]) => s + v, 0);
    expect(sum("bellwether_inferences_total")).toBe(windows);
    expect(sum("bellwether_offloads_received_total")).toBe(own);
    expect(samples.get("bellwether_offload_ratio")).toBe(own / windows);
    expect(samples.get('bellwether_frames_total{kind="offload"}')).toBe(offloads.length);
    expect(samples.get('bellwether_frames_total{kind="report"}')).toBe(reports.length);
    expect(samples.get("bellwether_offload_bytes_total")).toBe(
      offloads.reduce((bytes, message) => bytes + encodeUp(message).length, 0),
    );
    expect(sum("bellwether_offloads_total")).toBe(own);
    expect(samples.get("bellwether_softlabels_total")).toBe(2);
    expect(samples.get("bellwether_offload_answer_seconds_count")).toBe(own);
    expect(samples.get('bellwether_offload_answer_seconds_bucket{le="+Inf"}')).toBe(own);
    expect(samples.get('bellwether_nodes{state="online"}')).toBe(1);
    expect(samples.get("bellwether_nodes_alarmed")).toBe(0);
    await collar.report([13], { alarm: true });
    await until("an alarm", async () =>
      (await get(gateway.metricsUrl ?? "")).text.includes("\nbellwether_nodes_alarmed 1\n"),
    );
    expect(samples.get('bellwether_offloads_received_total{reason="audit"}')).toBe(1);
    await collar.close();
    await tap.close();
    await gateway.stop();
  }, 20_000);

  it("are for this machine alone, on one path, and can be turned off", async () => {
    const gateway = await gatewayOn(folder, teacher);
    const url = gateway.metricsUrl ?? "";
    expect(new URL(url).hostname).toBe("127.0.0.1");
    expect((await get(url, { host: "farm.example:9464" })).status).toBe(403);
    expect((await get(url.replace("/metrics", "/"))).status).toBe(404);
    expect((await get(url, {}, "POST")).status).toBe(405);
    // Addresses that are none end nothing: the gateway answers on.
    for (const odd of ["//", "http://[", "/metrics/../"]) {
      expect((await get(url, {}, "GET", odd)).status, odd).toBe(404);
    }
    expect((await get(`${url}?all`)).status).toBe(200);
    await gateway.stop();
    await expect(get(url)).rejects.toMatchObject({ code: "ECONNREFUSED" });

    const yaml = "broker: { port: 0 }\nmetrics: { enabled: false }";
    const without = await gatewayOn(folder, teacher, { yaml });
    expect(without.metricsUrl).toBeUndefined();
    await without.stop();
  });

  it("do without a port that is taken, and say so", async () => {
    const first = await gatewayOn(folder, teacher, {
      yaml: "broker: { port: 0 }\ndata_directory: a",
    });
    const { port } = new URL(first.metricsUrl ?? "");
    const second = await gatewayOn(folder, teacher, {
      yaml: "broker: { port: 0 }\ndata_directory: b",
      metricsPort: port,
    });
    expect(second.metricsUrl).toBeUndefined();
    expect(second.lines.filter(({ text }) => text.startsWith("no metrics"))).toHaveLength(1);
    await second.stop();
    await first.stop();
  });
});
