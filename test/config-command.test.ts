/** `bellwether config`: what is wrong with its line, what counts and why, and a schema that agrees. */

import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseSettings } from "../gateway/config/config.ts";
import { configJsonSchema, settingWords, showSettings } from "../gateway/config/config-about.ts";
import { configReference } from "../gateway/config/config-reference.ts";
import { FileSchema } from "../gateway/config/config-schema.ts";
import { bellwether } from "./access-kit.ts";
import { removeFolder, temporaryFolder } from "./gateway-kit.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = temporaryFolder();
  file = path.join(folder, "farm.yaml");
});

afterEach(() => removeFolder(folder));

function validate(text: string): Promise<Record<string, unknown>> {
  writeFileSync(file, text);
  return bellwether("config", "validate", file);
}

describe("config validate", () => {
  it("names each problem with its line, and files that are missing", async () => {
    const twice = validate("broker:\n  port: 1884\n  prot: 1\ntsl: {}\n");
    await expect(twice).rejects.toThrow("line 3, broker.prot: there is no such setting");
    await expect(twice).rejects.toThrow("line 4, tsl: there is no such setting");
    await expect(validate("broker: {port: no}")).rejects.toThrow("line 1, broker.port");
    await expect(validate("tls: {enabled: true}")).rejects.toThrow(
      "tls.certificate_file: there is no",
    );
    for (const shown of ["http: {host: 0.0.0.0}", "websocket: {enabled: true, host: 0.0.0.0}"]) {
      await expect(validate(shown), shown).rejects.toThrow("tls.certificate_file");
    }
    await expect(validate("teacher: {file: mine.onnx}")).rejects.toThrow("teacher.file");
    await expect(validate("broker: {host: 0.0.0.0}")).rejects.toThrow("broker-open");
    await expect(validate("websocket: {enabled: true, host: 0.0.0.0, tls: off}")).rejects.toThrow(
      "broker-open",
    );
    const open = await validate("broker: {host: 0.0.0.0, plain_mqtt: lan}");
    expect(open).toMatchObject({ ok: true, warnings: [expect.stringContaining("in between")] });
    expect(await validate("broker: {port: 1884}")).toMatchObject({ ok: true, warnings: [] });
  });
});

describe("config show", () => {
  it("is YAML that means the same, with where each setting comes from", () => {
    const text = "broker:\n  port: 1884\ntopics: {base: farm/north}\n";
    const environment = { BELLWETHER_CONFIG_TLS_PORT: "8884", BELLWETHER_CONFIG_PROFILE: "people" };
    const settings = parseSettings(text, "farm.yaml", environment);
    const shown = showSettings(settings);
    expect(parse(shown.join("\n"))).toEqual(settings.settings);
    const lineOf = (setting: string): string =>
      shown.find((line) => line.trim().startsWith(setting)) ?? "";
    expect(lineOf("port: 1884")).toContain("# line 2");
    expect(lineOf('base: "farm/north"')).toContain("# line 3");
    expect(lineOf("port: 8884")).toContain("# BELLWETHER_CONFIG_TLS_PORT");
    expect(lineOf('profile: "people"')).toContain("# BELLWETHER_CONFIG_PROFILE");
    expect(lineOf("connections: 1024")).toContain("# default");
  });
});

describe("config schema", () => {
  it("knows every setting with its default and the template's words, and nothing else", () => {
    const schema = configJsonSchema();
    expect(Object.keys(schema.properties ?? {}).sort()).toEqual(
      Object.keys(FileSchema.shape).sort(),
    );
    expect(schema.additionalProperties).toBe(false);
    const broker = schema.properties?.broker;
    expect(broker?.properties?.port).toMatchObject({ default: 1883, maximum: 65_535 });
    expect(broker?.properties?.plain_mqtt?.description).toContain("lan: also beyond this machine");
    expect(broker?.properties?.url?.description).toContain("use this broker instead of our own");
    expect(FileSchema.parse({}).broker.port).toBe(1883);
    // Words about settings that there are not would be words about nothing.
    const unknown = [...settingWords().keys()].filter((name) => {
      const [section = "", key] = name.split(".");
      const found = schema.properties?.[section];
      return key === undefined ? found === undefined : found?.properties?.[key] === undefined;
    });
    expect(unknown).toEqual([]);
    expect(settingWords().size).toBeGreaterThan(25);
  });
});

describe("config reference", () => {
  it("is the page in docs, with every setting", () => {
    expect(readFileSync("docs/CONFIGURATION.md", "utf8")).toBe(configReference());
    for (const [section, inside] of Object.entries(configJsonSchema().properties ?? {})) {
      const keys = Object.keys(inside.properties ?? {});
      const names = keys.length === 0 ? [section] : keys.map((key) => `${section}.${key}`);
      for (const name of names) expect(configReference()).toContain(`| \`${name}\` |`);
    }
  });
});
