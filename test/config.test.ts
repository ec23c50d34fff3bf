/** The gateway's configuration: defaults, the file, the environment, and what is wrong with each. */

import path from "node:path";
import { describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { namedDirectory } from "../cli/access-data.ts";
import { commandInput } from "../cli/command.ts";
import { parseConfig, readConfig } from "../gateway/config/config.ts";
import { CONFIG_TEMPLATE } from "../gateway/config/config-template.ts";
import { EdgeError } from "../src/assert.ts";

function refusal(text: string, environment: Record<string, string> = {}): EdgeError {
  try {
    parseConfig(text, "farm.yaml", environment);
  } catch (error) {
    if (error instanceof EdgeError) return error;
    throw error;
  }
  throw new Error("was accepted");
}

describe("the template that people get", () => {
  it("says the defaults, all of them", () => {
    expect(parseConfig(CONFIG_TEMPLATE, "farm.yaml", {})).toEqual(parseConfig("", "farm.yaml", {}));
  });

  it("names every setting", () => {
    const whole = CONFIG_TEMPLATE.replace(/^( +)# (url|file|[a-z_]+_file):/gm, "$1$2:");
    const config = parseConfig(whole, "farm.yaml", {});
    expect(config.broker.url).toBe("mqtt://user@farm.local:1883");
    expect(config.teacherFile).toMatch(/my-teacher\.onnx$/);
    for (const section of Object.values(parse(whole) as Record<string, object>)) {
      for (const [key, value] of Object.entries(section)) expect(value, key).not.toBeNull();
    }
  });
});

describe("what is read", () => {
  it("is the environment without a file, for every command that names a data directory", () => {
    vi.stubEnv("BELLWETHER_CONFIG_DATA_DIRECTORY", "/var/lib/farm");
    expect(readConfig(undefined, process.env).dataDirectory).toBe(path.resolve("/var/lib/farm"));
    expect(namedDirectory(commandInput({}, []))).toBe(path.resolve("/var/lib/farm"));
    expect(namedDirectory(commandInput({ dataDir: "here" }, []))).toBe(path.resolve("here"));
    vi.unstubAllEnvs();
    expect(namedDirectory(commandInput({}, []))).toBe(path.resolve("bellwether-data"));
  });

  it("takes the file's values and the rest from the defaults", () => {
    const config = parseConfig(
      "broker:\n  port: 2000\ntopics: { base: farm/north }\n",
      "a.yaml",
      {},
    );
    expect(config.broker.port).toBe(2000);
    expect(config.broker.host).toBe("127.0.0.1");
    expect(config.base).toBe("farm/north");
  });

  it("puts the environment before the file, with or without a file", () => {
    const environment = {
      BELLWETHER_CONFIG_BROKER_PORT: "1999",
      BELLWETHER_CONFIG_DATA_DIRECTORY: "elsewhere",
      BELLWETHER_CONFIG_LOG_LEVEL: "debug",
      HOME: "irrelevant",
    };
    for (const text of ["", "broker: { port: 2000, connections: 7 }"]) {
      const config = parseConfig(text, "/etc/a.yaml", environment);
      expect(config.broker.port).toBe(1999);
      expect(config.dataDirectory).toBe("/etc/elsewhere");
      expect(config.logLevel).toBe("debug");
      expect(config.broker.connectionsMax).toBe(text === "" ? 1024 : 7);
    }
  });

  it("takes paths as relative to the file", () => {
    const config = parseConfig("data_directory: d\nteacher: { file: t.onnx }", "/etc/b/a.yaml", {});
    expect(config.dataDirectory).toBe("/etc/b/d");
    expect(config.teacherFile).toBe("/etc/b/t.onnx");
  });
});

describe("what is wrong", () => {
  it("is told all at once, with the lines", () => {
    const text =
      "broker:\n  prot: 1\n  port: seventy\nprofile: cattle\nteacher:\n  batch_size: 0\nmore: 1\n";
    const error = refusal(text);
    expect(error.code).toBe("config-invalid");
    expect(error.message).toContain("line 2, broker.prot: there is no such setting");
    expect(error.message).toContain("line 3, broker.port");
    expect(error.message).toContain("line 6, teacher.batch_size");
    expect(error.message).toContain("line 7, more: there is no such setting");
  });

  it("is told with the variable where it came from the environment", () => {
    expect(refusal("", { BELLWETHER_CONFIG_BROKER_PORT: "x" }).message).toContain(
      "BELLWETHER_CONFIG_BROKER_PORT",
    );
    expect(refusal("", { BELLWETHER_CONFIG_BROKER_PROT: "1" }).message).toContain(
      "BELLWETHER_CONFIG_BROKER_PROT: there is no such setting",
    );
  });

  it.each([
    ["broken YAML", "broker: [1,\n", "config-syntax"],
    ["the same key twice", "log: {}\nlog: {}\n", "config-syntax"],
    ["a list", "- 1\n- 2\n", "config-invalid"],
    ["a word", "hello\n", "config-invalid"],
    ["a base with a wildcard", "topics: { base: 'a/#' }", "topic-base"],
    ["a URL of another kind", "broker: { url: 'http://x' }", "config-invalid"],
  ])("%s", (_name, text, code) => {
    expect(refusal(text).code).toBe(code);
  });
});
