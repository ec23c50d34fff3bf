/**
 * A gateway for phones on ports of its own, which can be stopped and started again, and a page of a
 * browser that is such a phone.
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { Registry } from "../gateway/release/registry.ts";
import {
  gatewayCrypto,
  openReleaseKeys,
  type ReleaseKeys,
  temporaryReleaseKeys,
} from "../gateway/release/release-keys.ts";
import { signRelease } from "../gateway/release/release-signing.ts";
import { startRollout } from "../gateway/release/rollout.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import { type OpenTeacher, openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { encodeGate, gateOf } from "../src/gate/gate-bytes.ts";
import { decodeContainer, encodeContainer } from "../src/model/container.ts";
import { hopMs } from "../src/signal/profile.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import type { ModelId, NodeId } from "../src/wire/messages.ts";
import { type Behaviour, BehaviourSchema } from "../src/wire/public.ts";
import { Chromium } from "./chromium.ts";
import { base, freePort, gatewayOn, removeFolder, temporaryFolder, until } from "./gateway-kit.ts";
import { ROOT } from "./house-sources.ts";

export const people = shippedProfile("people");
const FACTORY = readFileSync(path.join(ROOT, "profiles/people/student.bwm"));
export const cohort = decodeContainer(FACTORY).cohort;

export class PhoneWorld {
  readonly folder = temporaryFolder();
  readonly behaviours: Behaviour[] = [];
  chromium!: Chromium;
  gateway!: RunningGateway;
  #teacher!: OpenTeacher;
  #registry!: Registry;
  #keys!: ReleaseKeys;
  #ports: readonly number[] = [];
  #reader: MqttClient | undefined;

  async open(program: string): Promise<void> {
    this.#teacher = await openOnnxTeacher(path.join(ROOT, "profiles/people/teacher.onnx"), people);
    this.#keys = openReleaseKeys(path.join(this.folder, "keys"));
    const directory = path.join(this.folder, "registry");
    const { publicKey } = this.#keys;
    this.#registry = new Registry({ directory, publicKey, crypto: gatewayCrypto });
    this.#ports = [await freePort(), await freePort(), await freePort()];
    await this.startGateway();
    this.chromium = await Chromium.start(program);
  }

  /** The browser ends from one moment to the next, and is started again. */
  async killBrowser(program: string): Promise<void> {
    this.chromium = await Chromium.start(program, await this.chromium.kill());
  }

  async close(): Promise<void> {
    await this.chromium.close();
    await this.stopGateway();
    await this.#teacher.close();
    removeFolder(this.folder);
  }

  async startGateway(): Promise<void> {
    const [broker, socket, page] = this.#ports;
    const yaml = [
      "data_directory: .",
      "profile: people",
      `broker: { port: ${broker} }`,
      `websocket: { enabled: true, port: ${socket} }`,
      `http: { port: ${page} }`,
    ].join("\n");
    this.gateway = await gatewayOn(this.folder, this.#teacher, {
      yaml,
      dependencies: {
        factory: FACTORY,
        registry: this.#registry,
        hopMs: hopMs(people),
        rollBack: () => undefined,
      },
    });
    this.#reader = await connectAsync(this.gateway.url, { clientId: "reader" });
    this.#reader.on("message", (_topic, payload) => {
      this.behaviours.push(BehaviourSchema.parse(JSON.parse(payload.toString())));
    });
    await this.#reader.subscribeAsync(`${base}/+/behaviour`);
  }

  async stopGateway(): Promise<void> {
    await this.#reader?.endAsync(true);
    await this.gateway.stop();
  }

  /** The same student with a gate that audits every other window: another model, signed and offered to
   * every node of the cohort. */
  release(sequence: number): ModelId {
    const shipped = decodeContainer(FACTORY);
    const gate = encodeGate({ ...gateOf(shipped), auditChanceQ16: 32_768 });
    const container = encodeContainer({ ...shipped, gate });
    const modelId = this.#registry.putModel(container, undefined);
    const statement = { container, sequence, purpose: "release", createdMs: 1 } as const;
    this.#registry.putRelease(signRelease(statement, chooseEngine(), this.#keys));
    const expected = { agreement: 0, offloadShare: 1 };
    const about = { sequence, purpose: "release", cohort, expected } as const;
    const rollout = startRollout({ ...about, formerSequence: undefined }, Date.now());
    this.gateway.serve(rollout, modelId);
    return modelId;
  }

  /** Offers one node a release that somebody else has signed. */
  offerForeign(node: NodeId, sequence: number): void {
    const statement = { container: FACTORY, sequence, purpose: "release", createdMs: 1 } as const;
    const signed = signRelease(statement, chooseEngine(), temporaryReleaseKeys());
    const { manifestBytes: manifest, signature } = signed;
    this.gateway.send(node, { kind: "offer", manifest, signature });
  }

  behavioursOf(node: NodeId): readonly Behaviour[] {
    return this.behaviours.filter((one) => one.node === node);
  }

  textOf(id: string): Promise<string> {
    return this.chromium.value<string>(
      `document.getElementById(${JSON.stringify(id)})?.textContent ?? ""`,
    );
  }

  async untilText(id: string, wanted: RegExp, withinMs = 30_000): Promise<string> {
    let text = "";
    await until(
      `#${id} to say ${wanted}`,
      async () => {
        // A page that is being opened has no words yet.
        text = await this.textOf(id).catch(() => "");
        return wanted.test(text);
      },
      withinMs,
    );
    return text;
  }

  async choose(signal: "sensor" | "emulator", speed = 1): Promise<void> {
    await this.chromium.value(`document.querySelector("[value=${signal}]").click()`);
    await this.chromium.value(`document.getElementById("speed").value = "${speed}"`);
    await this.chromium.value('document.getElementById("start").click()');
  }

  async openPage(link: string, look = { width: 400, height: 850 }): Promise<void> {
    await this.chromium.open(link, look);
  }
}
