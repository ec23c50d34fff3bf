/** Models that one request cannot hold: in parts, by the command line and by hand, on a real gateway. */

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LoopGateway } from "../gateway/start-loop.ts";
import { type OpenTeacher, openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { type RequestName, requestTopic, responseTopic } from "../src/wire/requests.ts";
import { run } from "./access-kit.ts";
import { base, removeFolder, temporaryFolder, until } from "./gateway-kit.ts";
import { better, idOf, largeModel, releaseGateway } from "./release-kit.ts";
import { cattle } from "./turning-herd.ts";

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

let folder: string;
let teacher: OpenTeacher;
let open: LoopGateway;
let operator: MqttClient;
let answers: Record<string, unknown>[];

beforeEach(async () => {
  folder = temporaryFolder();
  mkdirSync(path.join(folder, "data"));
  teacher = await openOnnxTeacher("profiles/cattle/teacher.onnx", cattle);
  open = await releaseGateway(folder, teacher, 0);
  const password = await open.gateway.beginOperator();
  operator = await connectAsync(open.gateway.url, {
    username: "operator",
    ...(password !== undefined && { password }),
  });
  answers = [];
  operator.on("message", (_topic, payload) => answers.push(JSON.parse(payload.toString())));
  await operator.subscribeAsync(responseTopic(base, "#"), { qos: 1 });
});

afterEach(async () => {
  await operator.endAsync(true);
  await open.stop();
  await teacher.close();
  removeFolder(folder);
});

async function ask(name: RequestName, request: object): Promise<Record<string, unknown>> {
  const count = answers.length;
  await operator.publishAsync(requestTopic(base, name), JSON.stringify(request), { qos: 1 });
  await until(`an answer to ${name}`, () => answers.length > count);
  return answers.at(-1) ?? {};
}

describe("a model that one request cannot hold", () => {
  it("is pushed by the command line in parts, with its floats", async () => {
    const large = largeModel();
    expect(large.container.length).toBeGreaterThan(200_000);
    expect(large.student.length).toBeGreaterThan(800_000);
    const file = path.join(folder, "large.bwm");
    writeFileSync(file, large.container);
    writeFileSync(path.join(folder, "large.onnx"), large.student);
    const at = ["--broker", open.gateway.url, "--data-dir", path.join(folder, "data")];
    const words = ["models", "push", file, "--detach", "--json", ...at];
    const pushed = await run(process.execPath, [path.resolve("cli/main.ts"), ...words]);
    expect([pushed.code, pushed.err]).toEqual([0, ""]);
    expect(JSON.parse(pushed.out)).toMatchObject({ rollout: { model: idOf(large.container) } });
    const { registry } = open;
    const model = idOf(large.container);
    const same = (kept: Uint8Array | undefined, bytes: Uint8Array): boolean =>
      Buffer.compare(kept ?? new Uint8Array(0), bytes) === 0;
    expect(same(registry.container(model), large.container)).toBe(true);
    expect(same(registry.student(model), large.student)).toBe(true);
  }, 60_000);

  it("comes in order, within its limits, and under one name at a time", async () => {
    const part = (upload: string, offset: number, bytes: Uint8Array) =>
      ask("models/part", { upload, part: "container", offset, bytes: base64(bytes) });
    const [first, rest] = [better.container.subarray(0, 999), better.container.subarray(999)];
    expect(await part("one", 999, rest)).toMatchObject({ code: "upload-gap" });
    expect(await ask("models/push", { upload: "one" })).toMatchObject({ code: "upload-unknown" });
    expect(await part("one", 0, first)).toMatchObject({ data: { bytes: 999 } });
    const whole = better.container.length;
    expect(await part("one", 999, rest)).toMatchObject({ data: { bytes: whole } });
    // An answer was lost, and the part comes again.
    expect(await part("one", 999, rest)).toMatchObject({ data: { bytes: whole } });
    expect(await part("one", whole, new Uint8Array(150_000))).toMatchObject({ status: "ok" });
    const beyond = await part("one", whole + 150_000, new Uint8Array(150_000));
    expect(beyond).toMatchObject({ code: "upload-oversized" });
    expect(await ask("models/push", { upload: "one" })).toMatchObject({ status: "error" });
    expect(await part("two", 0, better.container)).toMatchObject({ status: "ok" });
    expect(await part("one", 999, rest)).toMatchObject({ code: "upload-gap" });
    const both = { upload: "two", model: idOf(better.container) };
    expect(await ask("models/push", both)).toMatchObject({ code: "request-invalid" });
    const pushed = await ask("models/push", { upload: "two", student: base64(better.student) });
    expect(pushed).toMatchObject({ data: { rollout: { model: idOf(better.container) } } });
    expect(await ask("models/push", { upload: "two" })).toMatchObject({ code: "upload-unknown" });
  }, 60_000);
});
