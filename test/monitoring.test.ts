/**
 * The dashboard, the alerts and the compose file around a gateway, held against a gateway that runs:
 * every metric and label that they name is one that it exposes. A Prometheus that evaluates them is in
 * `prometheus-server.test.ts`; no Grafana runs.
 */

import { existsSync, readFileSync } from "node:fs";
import { request } from "node:http";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseConfig } from "../gateway/config/config.ts";
import { OUTCOMES } from "../src/wire/messages.ts";
import {
  gatewayOn,
  HandNode,
  MODEL,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

const json = (file: string): unknown => JSON.parse(readFileSync(file, "utf8"));
const yaml = (file: string): unknown => parse(readFileSync(file, "utf8"), { merge: true });

type Target = { readonly expr: string; readonly legendFormat: string };
type Panel = {
  readonly id: number;
  readonly title: string;
  readonly datasource: { readonly uid: string };
  readonly targets: readonly Target[];
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number };
};
const dashboard = json("deploy/grafana/dashboard.json") as {
  readonly schemaVersion: number;
  readonly uid: string;
  readonly templating: { readonly list: readonly Record<string, unknown>[] };
  readonly panels: readonly Panel[];
};
const alerts = yaml("deploy/prometheus/alerts.yml") as {
  readonly groups: readonly { readonly rules: readonly { alert: string; expr: string }[] }[];
};
const rules = alerts.groups.flatMap((group) => group.rules);

let exposed: string;

beforeAll(async () => {
  const folder = temporaryFolder();
  const teacher = await untrainedTeacher(folder);
  // As in the container: beyond the loopback, and asked by a name of the network.
  const gateway = await gatewayOn(folder, teacher, {
    yaml: "broker: { port: 0 }\nmetrics: { host: 0.0.0.0 }",
  });
  const collar = await HandNode.connect(gateway.url, "collar-1");
  await collar.hello();
  await collar.report([0, 1, 2, 3]);
  await collar.offload({ windowIndex: 2, reason: "audit" });
  await collar.send({
    ...{ kind: "outcome", epoch: 1, seq: 9, releaseSequence: 1 },
    ...{ modelId: MODEL, outcome: "bad-signature" },
  });
  await until("a soft label", () => gateway.counters().softLabels === 1);
  const ask = (): Promise<string> => get(gateway.metricsUrl ?? "", "gateway:9464");
  // What the gateway says of audits and outcomes it knows once they are stored.
  await until("all is counted", async () => {
    exposed = await ask();
    return ["agreement_ratio{", 'result="bad-signature"'].every((part) => exposed.includes(part));
  });
  await collar.close();
  await gateway.stop();
  await teacher.close();
  removeFolder(folder);
}, 20_000);

function get(url: string, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = request(url.replace("0.0.0.0", "127.0.0.1"), { headers: { host } }, (answer) => {
      let text = "";
      answer.on("data", (bytes: Buffer) => (text += bytes.toString()));
      answer.on("end", () =>
        answer.statusCode === 200 ? resolve(text) : reject(new Error(`${answer.statusCode}`)),
      );
    });
    asking.on("error", reject).end();
  });
}

const families = (): string[] =>
  [...exposed.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name);

/** Values of each label, by the name of a sample. */
function samples(): Map<string, Map<string, Set<string>>> {
  const found = new Map<string, Map<string, Set<string>>>();
  for (const [, name = "", inside = ""] of exposed.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm)) {
    const labels = found.get(name) ?? new Map<string, Set<string>>();
    found.set(name, labels);
    for (const [, label = "", value = ""] of inside.matchAll(/([a-z_]+)="([^"]*)"/g)) {
      labels.set(label, (labels.get(label) ?? new Set()).add(value));
    }
  }
  return found;
}

/** What of a query a gateway does not expose: metrics, labels, values of labels. */
function unknownIn(expr: string, legend = ""): string[] {
  const known = samples();
  const wrong: string[] = [];
  const used = [...expr.matchAll(/\b(bellwether_[a-z_]+)(?:\{([^}]*)\})?/g)];
  const labels = new Set(used.flatMap(([, name = ""]) => [...(known.get(name)?.keys() ?? [])]));
  for (const [, name = "", matchers = ""] of used) {
    if (!known.has(name)) wrong.push(name);
    for (const [, label = "", values = ""] of matchers.matchAll(/([a-z_]+)[=!]~?"([^"]*)"/g)) {
      const seen = known.get(name)?.get(label) ?? new Set();
      // Of results a gateway exposes those that it has heard.
      const possible = label === "result" ? new Set<string>(OUTCOMES) : seen;
      if (seen.size === 0) wrong.push(`${name}{${label}}`);
      wrong.push(...values.split("|").filter((value) => !possible.has(value)));
    }
  }
  const grouped = [...expr.matchAll(/\b(?:by|ignoring) \(([a-z_, ]+)\)/g)].flatMap(([, list]) =>
    (list ?? "").split(/, */),
  );
  const shown = [...legend.matchAll(/\{\{([a-z_]+)\}\}/g)].map(([, label]) => label ?? "");
  wrong.push(...[...grouped, ...shown].filter((label) => !labels.has(label)));
  return wrong;
}

describe("deploy/grafana/dashboard.json", () => {
  const targets = dashboard.panels.flatMap((panel) => panel.targets);

  it("asks for nothing that a gateway does not expose", () => {
    expect(targets.length).toBeGreaterThan(15);
    expect(targets.flatMap(({ expr, legendFormat }) => unknownIn(expr, legendFormat))).toEqual([]);
    // The check itself sees what is wrong.
    expect(unknownIn('sum by (nod) (bellwether_nodes{state="onlin"}) + bellwether_x')).toEqual([
      ...["onlin", "bellwether_x", "nod"],
    ]);
  });

  it("leaves no family out", () => {
    const text = targets.map(({ expr }) => expr).join("\n");
    expect(families().length).toBeGreaterThan(10);
    const missing = families().filter(
      (name) => !new RegExp(`\\b${name}(_bucket)?(?![a-z_])`).test(text),
    );
    expect(missing).toEqual([]);
  });

  it("can be imported: a version, a data source to choose, panels side by side", () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
    const choice = { name: "datasource", type: "datasource", query: "prometheus" };
    expect(dashboard.templating.list).toEqual([expect.objectContaining(choice)]);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    const places = dashboard.panels.map(({ gridPos: { x, y } }) => `${x},${y}`);
    expect(new Set(places).size).toBe(places.length);
    for (const { datasource, gridPos } of dashboard.panels) {
      expect(datasource.uid.replace(/[${}]/g, "")).toBe("datasource");
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    }
  });
});

describe("deploy/prometheus", () => {
  it.each(rules.map((rule) => [rule.alert, rule.expr]))(
    "%s asks for what is exposed",
    (_, expr) => {
      expect(unknownIn(expr.replace('up{job="bellwether"}', ""))).toEqual([]);
    },
  );

  it("scrapes the gateway of the compose file and finds its rules", () => {
    const config = yaml("deploy/prometheus/prometheus.yml") as {
      rule_files: string[];
      scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
    };
    expect(config.rule_files.filter((file) => !existsSync(`deploy/prometheus/${file}`))).toEqual(
      [],
    );
    const { port } = parseConfig("", "x.yaml", {}).metrics;
    expect(config.scrape_configs).toEqual([
      { job_name: "bellwether", static_configs: [{ targets: [`gateway:${port}`] }] },
    ]);
    expect(rules.length).toBeGreaterThan(4);
  });
});

describe("deploy/docker/compose.monitoring.yaml", () => {
  type Container = {
    readonly image?: string;
    readonly extends?: { readonly file: string; readonly service: string };
    readonly environment?: Record<string, string>;
    readonly networks?: readonly string[];
    readonly ports?: readonly string[];
    readonly volumes?: readonly string[];
  };
  type Compose = {
    readonly services: Record<string, Container>;
    readonly networks: Record<string, { readonly internal?: boolean } | null>;
    readonly volumes: Record<string, unknown>;
  };
  const compose = yaml("deploy/docker/compose.monitoring.yaml") as Compose;
  const { gateway, prometheus, grafana } = compose.services as Record<string, Container>;
  const alone = (yaml("deploy/docker/compose.yaml") as Compose).services.gateway;

  it("opens the figures to one internal network, and by default nothing does", () => {
    expect(gateway?.extends).toEqual({ file: "compose.yaml", service: "gateway" });
    const settings = (more: Record<string, string> = {}): string =>
      parseConfig("", "x.yaml", { ...alone?.environment, ...more }).metrics.host;
    expect(settings()).toBe("127.0.0.1");
    expect(settings(gateway?.environment)).toBe("0.0.0.0");
    const all = [alone, ...Object.values(compose.services)];
    const published = all.flatMap((service) => service?.ports ?? []);
    expect(published).toEqual(["8883:8883", "127.0.0.1:3000:3000"]);
    expect(compose.networks.figures).toEqual({ internal: true });
    expect(prometheus?.networks).toEqual(["figures"]);
    // The only networks that the gateway shares with anybody are that one.
    const others = [prometheus, grafana].flatMap((service) => service?.networks ?? []);
    expect(gateway?.networks?.filter((name) => others.includes(name))).toEqual(["figures"]);
  });

  it("pins images, takes rights away, has no default password, and mounts what is there", () => {
    for (const service of [prometheus, grafana]) {
      expect(service?.image).toMatch(/:v?\d+\.\d+\.\d+$/);
      expect(service).toMatchObject({ cap_drop: ["ALL"], read_only: true });
      expect(service).toMatchObject({ logging: { options: { "max-size": "10m" } } });
      for (const [from = "", , mode] of (service?.volumes ?? []).map((text) => text.split(":"))) {
        if (from.startsWith(".")) {
          expect(existsSync(path.join("deploy/docker", from)), from).toBe(true);
          expect(mode).toBe("ro");
        } else expect(Object.keys(compose.volumes)).toContain(from);
      }
    }
    expect(Object.keys(compose.volumes)).toContain(alone?.volumes?.[0]?.split(":")[0]);
    expect(grafana?.environment?.GF_SECURITY_ADMIN_PASSWORD).toMatch(/^\$\{GRAFANA_PASSWORD:\?/);
  });

  it("provisions the data source and the folder that the dashboard is mounted in", () => {
    const provisioning = "deploy/grafana/provisioning";
    expect(yaml(`${provisioning}/datasources/prometheus.yaml`)).toMatchObject({
      datasources: [{ type: "prometheus", url: "http://prometheus:9090" }],
    });
    const { providers } = yaml(`${provisioning}/dashboards/bellwether.yaml`) as {
      providers: { options: { path: string } }[];
    };
    const folder = providers[0]?.options.path;
    expect(grafana?.volumes?.some((text) => text.includes(`:${folder}/dashboard.json:`))).toBe(
      true,
    );
  });
});
