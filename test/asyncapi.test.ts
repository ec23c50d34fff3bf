/**
 * The topics as machines read them: what is checked in is what the command writes, the document is
 * AsyncAPI 3.0.0, it names the topics of `docs/TOPICS.md` and no others, and what a running gateway
 * with simulated nodes really sends is what it says, down to retained flag and quality of service.
 */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { type Fleet, startFleet } from "../device-sim/fleet.ts";
import { createHerd } from "../device-sim/herd.ts";
import { mqttLinks } from "../device-sim/mqtt-link.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { prng } from "../src/prng.ts";
import { cohortOf } from "../src/signal/profile.ts";
import { PUBLIC_TOPICS, REQUEST_TOPICS } from "../src/wire/public-topics.ts";
import { REQUEST_NAMES } from "../src/wire/requests.ts";
import { ALERTING_YAML, storeOneDay, YESTERDAY } from "./alert-kit.ts";
import { AsyncApiSchema, referencesOf, resolve } from "./asyncapi-rules.ts";
import {
  base,
  cattle,
  gatewayOn,
  HandNode,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";
import { sampleContainer } from "./node-world.ts";

const ROOT = path.join(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(path.join(ROOT, "docs", file), "utf8");
const DOCUMENT: unknown = JSON.parse(read("asyncapi.json"));
const TOPICS = read("TOPICS.md");

let folder: string;
beforeAll(() => {
  folder = temporaryFolder();
});
afterAll(() => removeFolder(folder));

describe("docs/asyncapi.json and docs/schemas", () => {
  it("are what the command writes", () => {
    for (const what of ["asyncapi", "topics"]) {
      execFileSync(process.execPath, ["cli/main.ts", "schema", what, "--out", folder], {
        cwd: ROOT,
        stdio: "ignore",
      });
    }
    const names = readdirSync(path.join(folder, "schemas"));
    expect(readdirSync(path.join(ROOT, "docs/schemas"))).toEqual(names);
    for (const file of ["asyncapi.json", ...names.map((name) => `schemas/${name}`)]) {
      const hint = `${file}: write it anew with bellwether schema asyncapi|topics --out docs`;
      expect(read(file), hint).toBe(readFileSync(path.join(folder, file), "utf8"));
    }
  });

  it("say the same on standard output", () => {
    const print = (...words: string[]): unknown =>
      JSON.parse(
        execFileSync(process.execPath, ["cli/main.ts", "schema", ...words], {
          cwd: ROOT,
          encoding: "utf8",
        }),
      );
    expect(print("asyncapi")).toEqual(DOCUMENT);
    expect(print("topics", "--json")).toHaveProperty(["schemas/bout.json", "title"], "bout");
  });
});

describe("the AsyncAPI document", () => {
  it("has the structure of AsyncAPI 3.0.0, and every reference leads somewhere", () => {
    const document = AsyncApiSchema.parse(DOCUMENT);
    const references = referencesOf(DOCUMENT);
    expect(references.length).toBeGreaterThan(PUBLIC_TOPICS.length);
    for (const reference of references) {
      expect(resolve(DOCUMENT, reference), reference).toBeDefined();
    }
    for (const [name, { address, parameters = {} }] of Object.entries(document.channels)) {
      const named = [...address.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      expect(new Set(Object.keys(parameters)), name).toEqual(new Set(named));
    }
  });

  it.each([
    ["a field that is not of the specification", ["channels", "bout", "topic"], "x"],
    ["no version", ["asyncapi"], undefined],
    ["a third action", ["operations", "tell-bout", "action"], "publish"],
    ["a quality of service of 3", ["operations", "tell-bout", "bindings", "mqtt", "qos"], 3],
    ["an operation without a channel", ["operations", "tell-bout", "channel"], undefined],
  ])("would be refused with %s", (_, where, value) => {
    const wrong = structuredClone(DOCUMENT) as Record<string, unknown>;
    const parent = resolve(wrong, `#/${where.slice(0, -1).join("/")}`.replace(/\/$/, ""));
    (parent as Record<string, unknown>)[where.at(-1) ?? ""] = value;
    expect(AsyncApiSchema.safeParse(wrong).success).toBe(false);
  });

  it("names the topics of docs/TOPICS.md and no others, retained and sent as it says", () => {
    const rows = TOPICS.matchAll(/^\| \[`<base>\/(\S+)`\]\(\S+\) \| (yes|no) \| (\d) \|/gm);
    const documented = [...rows].map(([, topic = "", retained, qos]) => ({
      address: `{base}/${topic.replace("<node>", "{node}").replace("<name>", "{group}")}`,
      retain: retained === "yes",
      qos: Number(qos),
    }));
    const asked = REQUEST_TOPICS.map(({ channel }) => channel);
    const others = new Set(["join-request", "join-response", "node-up", "node-down", ...asked]);
    expect(channels().filter(({ name }) => !others.has(name))).toMatchObject(documented);
    expect(documented).toHaveLength(PUBLIC_TOPICS.length);
    for (const name of REQUEST_NAMES) expect(TOPICS, name).toContain(`\n| \`${name}\` |`);
    const named = channels().filter(({ name }) => others.has(name) && !asked.includes(name));
    for (const { name, address } of named) {
      const written = address.replace("{client}", "<client id>").replace(/\{(\w+)\}/g, "<$1>");
      expect(TOPICS, name).toContain(`\`${written}\``);
    }
    expect(channels()).toHaveLength(documented.length + others.size);
  });
});

/** The folder of the npm package `@asyncapi/parser`, which brings 54 MB. */
const PARSER = process.env.BELLWETHER_ASYNCAPI_PARSER;
if (PARSER === undefined) {
  console.log("AsyncAPI's parser is skipped: BELLWETHER_ASYNCAPI_PARSER names no folder of it");
}

describe.skipIf(PARSER === undefined)("AsyncAPI's own parser", () => {
  type Parsed = {
    readonly document?: { channels(): { all(): readonly unknown[] } };
    readonly diagnostics: readonly { readonly severity: number; readonly code: string }[];
  };
  type Parser = new () => { parse(text: string): Promise<Parsed> };
  const parse = async (document: unknown): Promise<Parsed> => {
    const { Parser } = createRequire(import.meta.url)(PARSER ?? "") as { Parser: Parser };
    return new Parser().parse(JSON.stringify(document));
  };

  it("finds every channel, no error and nothing to warn of", async () => {
    const { document, diagnostics } = await parse(DOCUMENT);
    expect(document?.channels().all()).toHaveLength(channels().length);
    // It would have another version of AsyncAPI, which is a hint.
    const others = diagnostics.filter(({ code }) => code !== "asyncapi-latest-version");
    expect(others).toEqual([]);
    const wrong = structuredClone(DOCUMENT) as { operations: Record<string, { action: string }> };
    for (const operation of Object.values(wrong.operations)) operation.action = "publish";
    const { diagnostics: found } = await parse(wrong);
    expect(found.some(({ severity }) => severity === 0)).toBe(true);
  }, 30_000);
});

type Channel = {
  readonly name: string;
  readonly address: string;
  readonly retain: boolean;
  readonly qos: number;
};

function channels(): Channel[] {
  const { channels: all, operations } = AsyncApiSchema.parse(DOCUMENT);
  return Object.values(operations).map(({ channel, bindings }) => {
    const name = channel.$ref.split("/").at(-1) ?? "";
    return { name, address: all[name]?.address ?? "", ...bindings.mqtt };
  });
}

type Message = {
  readonly topic: string;
  readonly json: string;
  readonly retain: boolean;
  readonly qos: number;
};

async function listen(url: string): Promise<{ client: MqttClient; heard: Message[] }> {
  const client = await connectAsync(url, { reconnectPeriod: 0 });
  const heard: Message[] = [];
  client.on("message", (topic, payload, { retain, qos }) => {
    heard.push({ topic, json: payload.toString(), retain, qos });
  });
  // The most that one can ask for, so that what comes is what was sent.
  await client.subscribeAsync(`${base}/#`, { qos: 2 });
  return { client, heard };
}

function retainedNames({ heard }: { readonly heard: readonly Message[] }): Set<string | undefined> {
  const retained = heard.filter(({ retain }) => retain);
  return new Set(retained.map(({ topic }) => channelOf(topic)?.name));
}

/** The channel of a topic, by the addresses of the document alone; the most literal one first. */
function channelOf(topic: string): Channel | undefined {
  const fits = channels().filter(({ address }) => {
    const pattern = address.replace("{base}", base).replace(/\{\w+\}/g, "[^/]+");
    return new RegExp(`^${pattern}$`).test(topic);
  });
  return fits.find(({ address }) => !address.includes("{node}")) ?? fits[0];
}

/** Checks by the files alone: what a stranger has, without our schemas. */
function validatorOf(channel: Channel): z.ZodType {
  const { channels: all } = AsyncApiSchema.parse(DOCUMENT);
  const [payload = ""] = Object.keys(all[channel.name]?.messages ?? {});
  return z.fromJSONSchema(JSON.parse(read(`schemas/${payload}.json`)));
}

const YAML = `broker: { port: 0 }
data_directory: data
${ALERTING_YAML}`;

describe("what a gateway with simulated nodes sends", () => {
  let teacher: OpenTeacher;
  let gateway: RunningGateway;
  let fleet: Fleet;
  let people: Awaited<ReturnType<typeof listen>>;
  let newcomer: Awaited<ReturnType<typeof listen>>;

  beforeAll(async () => {
    teacher = await untrainedTeacher(folder);
    storeOneDay(path.join(folder, "data"));
    gateway = await gatewayOn(folder, teacher, { yaml: YAML });
    people = await listen(gateway.url);
    fleet = await startHerd(gateway.url);
    const animal = await HandNode.connect(gateway.url, "cow-7");
    await animal.hello();
    await animal.report([], { entries: YESTERDAY });
    const wanted = PUBLIC_TOPICS.map(({ channel }) => channel);
    const missing = () => {
      const full = people.heard.filter(({ json }) => json !== "");
      const seen = new Set(full.map(({ topic }) => channelOf(topic)?.name));
      return wanted.filter((name) => !seen.has(name));
    };
    await until("every topic", () => missing().length === 0, 20_000).catch((error: Error) => {
      throw new Error(`${error.message}: ${missing().join(", ")}`);
    });
    newcomer = await listen(gateway.url);
    const kept = channels().filter(({ retain }) => retain);
    await until("as many retained topics", () => retainedNames(newcomer).size >= kept.length);
    await animal.close();
  }, 40_000);

  afterAll(async () => {
    await fleet?.stop();
    await newcomer?.client.endAsync(true);
    await people?.client.endAsync(true);
    await gateway?.stop();
    await teacher?.close();
  });

  it("is on topics that the document has, and as the JSON Schemas say", () => {
    expect(people.heard.map(({ topic }) => topic)).toContain(`${base}/collar-01/behaviour`);
    for (const { topic, json, qos } of people.heard) {
      const channel = channelOf(topic);
      expect(channel, topic).toBeDefined();
      expect(qos, topic).toBe(channel?.qos);
      if (json === "") continue;
      const result = validatorOf(channel as Channel).safeParse(JSON.parse(json));
      expect(result.error?.issues ?? [], `${topic} ${json}`).toEqual([]);
    }
  });

  it("is retained where the document says so, and nowhere else", () => {
    const names = retainedNames(newcomer);
    const said = channels().filter(({ retain }) => retain);
    expect(names).toEqual(new Set(said.map(({ name }) => name)));
  });

  it.each([
    ["behaviour", "source", "exit 9"],
    ["behaviour", "confidence", 1.01],
    ["behaviour", "model", "9F2C61D0A4B87E35"],
    ["bout", "type", "old"],
    ["budget", "time", -1],
    ["bridge-info", "classes", [""]],
  ])("would be refused on %s with %s = %j", (name, field, value) => {
    const channel = channels().find((one) => one.name === name) as Channel;
    const heard = people.heard.find(({ topic, json }) => json && channelOf(topic)?.name === name);
    const message = JSON.parse(heard?.json ?? "null") as Record<string, unknown>;
    const validator = validatorOf(channel);
    expect(validator.safeParse(message).success).toBe(true);
    expect(validator.safeParse({ ...message, [field]: value }).success).toBe(false);
  });

  it("would be refused with any field of it missing that must be there, or of another type", () => {
    for (const { channel: name } of PUBLIC_TOPICS) {
      const channel = channels().find((one) => one.name === name) as Channel;
      const heard = people.heard.find(({ topic, json }) => json && channelOf(topic)?.name === name);
      const message = JSON.parse(heard?.json ?? "null") as Record<string, unknown>;
      const validator = validatorOf(channel);
      expect(validator.safeParse({ ...message, mood: "content" }).success, name).toBe(true);
      const [payload = ""] = Object.keys(
        AsyncApiSchema.parse(DOCUMENT).channels[name]?.messages ?? {},
      );
      const { required } = shapeOf(JSON.parse(read(`schemas/${payload}.json`)), message);
      expect(required.length, name).toBeGreaterThan(0);
      for (const field of required) {
        const { [field]: _, ...without } = message;
        expect(validator.safeParse(without).success, `${name} without ${field}`).toBe(false);
        const other = { ...message, [field]: { no: "such" } };
        const open = ["after", "before", "audit"].includes(field);
        if (!open) expect(validator.safeParse(other).success, `${name} ${field}`).toBe(false);
      }
    }
  });
});

type Shape = {
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, { readonly const?: string }>>;
};

/** Of a payload that comes in several shapes the one of this message. */
function shapeOf(
  schema: Shape & { readonly oneOf?: readonly Shape[] },
  { type }: Record<string, unknown>,
): Shape {
  const shapes = schema.oneOf ?? [schema];
  const named = shapes.find(({ properties }) => properties.type?.const === type);
  const others = shapes.find(({ properties }) => properties.type?.const === undefined);
  return named ?? (others as Shape);
}

async function startHerd(url: string): Promise<Fleet> {
  const factory = sampleContainer(1, { cohort: cohortOf(cattle), classes: cattle.classes });
  const parameters = await readShippedEmulator("cattle");
  return startFleet({
    nodes: createHerd({
      profile: cattle,
      nodes: 3,
      seed: 5,
      signal: { kind: "emulator", parameters },
      factory: () => factory,
      turns: [],
    }),
    seed: 5,
    settings: COLLAR,
    engine: referenceEngine,
    openLink: mqttLinks({ url, base, random: prng(1, "links"), retryMs: 50, retryMsMax: 500 }),
    storageDir: path.join(folder, "collars"),
    speed: 60,
    observer: {},
  });
}
