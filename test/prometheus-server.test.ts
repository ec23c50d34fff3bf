/**
 * Prometheus itself, reading a gateway that runs: its linter on names, rules and configuration, every
 * query of the dashboard for a series that it has, every alert for an evaluation without error. Only
 * addresses and intervals of `deploy/prometheus` are changed, so that it takes seconds.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import {
  freePort,
  gatewayOn,
  HandNode,
  MODEL,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

const there = ["prometheus", "promtool"].every(
  (program) => spawnSync(program, ["--version"]).error === undefined,
);
if (!there) console.log("Prometheus is skipped: it is not here (Debian package `prometheus`)");

/** What Grafana puts in place of its variable, at a scrape each second. */
const RATE_INTERVAL = "4s";

type Panel = { readonly targets: readonly { readonly expr: string }[] };
type Series = { readonly metric: Record<string, string>; readonly value: [number, string] };
type Alert = { readonly labels: { readonly alertname: string }; readonly state: string };
type Rule = { readonly name: string; readonly health: string; readonly lastError?: string };

const { panels } = JSON.parse(readFileSync("deploy/grafana/dashboard.json", "utf8")) as {
  readonly panels: readonly Panel[];
};
const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

let folder: string;
let teacher: OpenTeacher;
let gateway: RunningGateway;
let stopped = false;
let collar: HandNode;
let prometheus: ChildProcess;
let url: string;
let work: NodeJS.Timeout;

beforeAll(async () => {
  if (!there) return;
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
  gateway = await gatewayOn(folder, teacher);
  collar = await HandNode.connect(gateway.url, "collar-1");
  await collar.hello();
  await collar.send({
    ...{ kind: "outcome", epoch: 1, seq: 100_000, releaseSequence: 1 },
    ...{ modelId: MODEL, outcome: "bad-signature" },
  });
  let windowIndex = 0;
  work = setInterval(() => {
    void collar.report([windowIndex], { alarm: true });
    void collar.offload({ windowIndex, reason: "audit" });
    windowIndex += 1;
  }, 100);
  ({ child: prometheus, url } = await startPrometheus(gateway.metricsUrl ?? ""));
}, 40_000);

afterAll(async () => {
  if (!there) return;
  clearInterval(work);
  await collar?.close();
  if (!stopped) await gateway?.stop();
  await stopPrometheus();
  await teacher?.close();
  removeFolder(folder);
});

/** With the project's own files, a scrape and an evaluation each second. */
async function startPrometheus(metricsUrl: string): Promise<{ child: ChildProcess; url: string }> {
  const directory = path.join(folder, "prometheus");
  mkdirSync(directory);
  cpSync("deploy/prometheus/alerts.yml", path.join(directory, "alerts.yml"));
  const config = readFileSync("deploy/prometheus/prometheus.yml", "utf8")
    .replaceAll("_interval: 15s", "_interval: 1s")
    .replace("gateway:9464", new URL(metricsUrl).host);
  writeFileSync(path.join(directory, "prometheus.yml"), config);
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    "prometheus",
    [
      `--config.file=${directory}/prometheus.yml`,
      `--storage.tsdb.path=${directory}/data`,
      `--web.listen-address=${address}`,
    ],
    { stdio: "ignore" },
  );
  const ready = `http://${address}/-/ready`;
  await until(
    "Prometheus",
    () =>
      fetch(ready).then(
        ({ ok }) => ok,
        () => false,
      ),
    30_000,
  );
  return { child, url: `http://${address}` };
}

async function stopPrometheus(): Promise<void> {
  if (prometheus === undefined) return;
  const ended = new Promise((resolve) => prometheus.once("exit", resolve));
  prometheus.kill();
  await ended;
}

async function ask<T>(question: string): Promise<T> {
  const answer = await fetch(`${url}/api/v1/${question}`);
  const { status, data, error } = (await answer.json()) as {
    readonly status: string;
    readonly data: T;
    readonly error?: string;
  };
  if (status !== "success") throw new Error(`${question}: ${error}`);
  return data;
}

async function series(expr: string): Promise<readonly Series[]> {
  const query = encodeURIComponent(expr.replaceAll("$__rate_interval", RATE_INTERVAL));
  return (await ask<{ readonly result: readonly Series[] }>(`query?query=${query}`)).result;
}

async function states(): Promise<Record<string, string>> {
  const { alerts } = await ask<{ readonly alerts: readonly Alert[] }>("alerts");
  return Object.fromEntries(alerts.map(({ labels, state }) => [labels.alertname, state]));
}

const promtool = (words: readonly string[], input = ""): { status: number; text: string } => {
  const { status, stdout, stderr } = spawnSync("promtool", words, { input, encoding: "utf8" });
  return { status: status ?? -1, text: stdout + stderr };
};

describe.skipIf(!there)("Prometheus", () => {
  it("finds nothing amiss in names, rules and configuration", async () => {
    const exposed = await (await fetch(gateway.metricsUrl ?? "")).text();
    expect(promtool(["check", "metrics"], exposed)).toEqual({ status: 0, text: "" });
    // It would: a counter's name ends in `_total`.
    const wrong = exposed.replaceAll("bellwether_frames_total", "bellwether_frames");
    expect(promtool(["check", "metrics"], wrong).status).not.toBe(0);
    const config = promtool(["check", "config", "deploy/prometheus/prometheus.yml"]);
    expect(config, config.text).toMatchObject({ status: 0 });
    expect(config.text).toContain("10 rules found");
  });

  it("raises and ends each alert when its time has come", () => {
    const result = promtool(["test", "rules", "test/prometheus-alerts.yml"]);
    expect(result, result.text).toMatchObject({ status: 0 });
    const tried = readFileSync("test/prometheus-alerts.yml", "utf8");
    const names = readFileSync("deploy/prometheus/alerts.yml", "utf8").matchAll(/alert: (\w+)/g);
    for (const [, name = ""] of names) expect(tried).toContain(`alertname: ${name}\n`);
  });

  it("has a number for every query of the dashboard", async () => {
    expect(queries.length).toBeGreaterThan(15);
    const empty = async (): Promise<string[]> => {
      const found = await Promise.all(queries.map(series));
      const isNumber = (one: Series): boolean => Number.isFinite(Number(one.value[1]));
      return queries.filter((_, i) => !found[i]?.length || !found[i].every(isNumber));
    };
    let missing = queries;
    for (let second = 0; missing.length > 0 && second < 20; second++) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      missing = await empty();
    }
    expect(missing).toEqual([]);
    expect(await series("bellwether_no_such_metric")).toEqual([]);
  }, 30_000);

  it("evaluates every alert, and raises those of a refused release and of drift", async () => {
    type Groups = { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
    const rules = async (): Promise<readonly Rule[]> =>
      (await ask<Groups>("rules")).groups.flatMap((group) => group.rules);
    await until("an evaluation", async () =>
      (await rules()).every(({ health }) => health !== "unknown"),
    );
    for (const { name, health, lastError = "" } of await rules()) {
      expect([health, lastError], name).toEqual(["ok", ""]);
    }
    await until("alerts", async () => (await states()).ReleaseRefused !== undefined);
    // The teacher is untrained, so that students disagree with it as they like.
    const { StudentsDisagree: _, ...others } = await states();
    expect(others).toEqual({ ReleaseRefused: "firing", DriftLasts: "pending" });
  }, 30_000);

  it("sees that a gateway is gone", async () => {
    clearInterval(work);
    await collar.close();
    await gateway.stop();
    stopped = true;
    await until("the alert", async () => (await states()).GatewayUnreachable === "pending");
  }, 20_000);
});
