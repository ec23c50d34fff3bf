/** `bellwether report audits` on a store that a gateway has written. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { costText, offloadingCost } from "../cli/audits-cost.ts";
import { LabelLog } from "../gateway/store/label-log.ts";
import { NO_COUNTS } from "../src/gate/audit-counts.ts";
import { linkProfile } from "../src/link/link-profile.ts";
import { nodeId } from "../src/wire/topics.ts";
import {
  helloOf,
  MODEL,
  offloadOf,
  removeFolder,
  reportOf,
  temporaryFolder,
} from "./gateway-kit.ts";

const CLI = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
let folder: string;

beforeAll(() => {
  folder = temporaryFolder();
  const log = new LabelLog({ directory: folder, nowMs: 1 });
  const node = nodeId("collar-1");
  const chosen = { audit: true, chanceQ16: 32768 };
  const probabilities = Float32Array.of(0.7, 0.2, 0.1);
  log.commit([
    { kind: "hello", node, nowMs: 1, hello: helloOf({}) },
    { kind: "hello", node: nodeId("collar-2"), nowMs: 1, hello: helloOf({}) },
    { kind: "report", node, nowMs: 2, report: reportOf(1, [0, 1, 2, 3]) },
    ...[5, 6].map((seq) => ({
      ...{ kind: "offload" as const, node, nowMs: 3, teachable: true },
      offload: offloadOf(seq, { reason: "audit", chanceQ16: 32768 }),
    })),
  ]);
  log.commit(
    [1, 2].map((offloadId) => ({
      ...{ kind: "label" as const, node, nowMs: 4, offloadId, modelId: MODEL, chosen },
      ...{ teacherId: "feedfeedfeedfeed", trusted: true, agrees: offloadId === 1, probabilities },
    })),
  );
  log.close();
});
afterAll(() => removeFolder(folder));

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync("node", [CLI, "report", "audits", ...args], { encoding: "utf8" });
}

describe("bellwether report audits", () => {
  it("tells each node and the cohort, in words and as JSON", () => {
    const words = run("--data-dir", folder);
    expect(words.status, words.stderr).toBe(0);
    const lines = words.stdout.trim().split("\n");
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatch(/^collar-1 +agrees on 50\.0 % .* of 4 windows.*; 2 audits/);
    expect(lines[1]).toMatch(/^collar-2 +no trusted audit yet/);
    expect(lines[2]).toMatch(/^cattle.*2 nodes +agrees on 50\.0 %/);
    expect(lines[3]).toMatch(/^collar-1 +offloads 50\.0 %: 3\.\d\d MB and [\d,]+ mJ a day on BLE$/);
    expect(lines[4]).toMatch(/^collar-2 +nothing reported yet/);
    const json = JSON.parse(run("--data-dir", folder, "--json").stdout) as {
      nodes: {
        audit: { left: number } | null;
        offloading: { share: number | null; millijoulesPerDay: number | null };
      }[];
      cohorts: { nodes: number; audit: { windows: number } }[];
    };
    expect(json.nodes.map(({ audit }) => audit?.left ?? null)).toEqual([0.5, null]);
    expect(json.cohorts).toMatchObject([{ nodes: 2, audit: { windows: 4 } }]);
  });

  it("costs more on another radio, and says what that does not carry", () => {
    const costOn = (link: string): { millijoulesPerDay: number; carried: number } => {
      const asked = run("--data-dir", folder, "--json", "--link", link);
      const { nodes } = JSON.parse(asked.stdout) as {
        nodes: { offloading: { millijoulesPerDay: number; carried: number } }[];
      };
      return nodes[0]?.offloading as { millijoulesPerDay: number; carried: number };
    };
    const [ble, lorawan] = [costOn("ble"), costOn("lorawan")];
    expect(ble.carried).toBe(1);
    expect(lorawan.millijoulesPerDay).toBeGreaterThan(ble.millijoulesPerDay);
    expect(lorawan.carried).toBeLessThan(0.5);
  });

  it("tells a cohort of nobody's profile its share alone", () => {
    const counts = { ...NO_COUNTS, windows: 100, certain: 3, audits: 1 };
    const cost = offloadingCost("goats/10.00Hz/50x3", counts, linkProfile("ble", 0));
    expect(cost).toEqual({
      ...{ share: 0.04, bytesPerDay: null },
      ...{ millijoulesPerDay: null, carried: null },
    });
    expect(costText(cost, "BLE")).toBe("offloads 4.0 %");
  });

  it("says what to do where no gateway has run", () => {
    const { status, stderr } = run("--data-dir", `${folder}/nowhere`);
    expect(status).toBe(2);
    expect(stderr).toContain("--data-dir");
  });
});
