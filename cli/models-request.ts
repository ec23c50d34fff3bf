/**
 * `bellwether models push|rollback|pause|resume|abort`: what a person has a running gateway do with
 * releases, over MQTT as an operator.
 */

import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { pushRequests, UPLOAD_BYTES_MAX } from "../src/wire/model-upload.ts";
import { BridgeInfoSchema, type RolloutInfo } from "../src/wire/public.ts";
import type { RequestName, RequestResponse } from "../src/wire/requests.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { readFile } from "./model-file.ts";
import { ASK_OPTIONS, dataOf, withAsker } from "./operator-request.ts";

export const REQUEST_COMMANDS: readonly CommandSpec[] = [
  {
    name: "push",
    summary: "make a release of a model and watch it spread",
    description:
      "Gives a running gateway a model container, or names one of its registry; the gateway checks\n" +
      "it, signs it, and offers it to a canary, then in waves. Waits for the end, at least\n" +
      "releases.soak_minutes (10) a stage, and fails where the release went back; Ctrl-C or --detach\n" +
      "let it spread on. The float weights that lie beside a container (.onnx) go with it: a\n" +
      "distillation goes on from them.",
    arguments: [
      { name: "<model>", description: "a container (.bwm), or a model's name of 16 hex digits" },
    ],
    options: [
      { flags: "--detach", description: "do not wait for the rollout", kind: "flag" },
      ...ASK_OPTIONS,
    ],
    examples: [
      "bellwether models push profiles/cattle/student.bwm",
      "bellwether models push 9f2c61d0a4b87e35 --detach",
    ],
    run: push,
  },
  order("rollback", "models/rollback", "go back to the model of before, on all nodes"),
  order("pause", "rollout/pause", "offer the release to no further node"),
  order("resume", "rollout/resume", "let a rollout go on"),
  order("abort", "rollout/abort", "end a rollout that spreads, and go back"),
];

function order(name: string, request: RequestName, summary: string): CommandSpec {
  return {
    name,
    summary,
    options: ASK_OPTIONS,
    examples: [`bellwether models ${name}`],
    run: async (input, io) =>
      withAsker(
        input,
        () => undefined,
        async (asker) => {
          const rollout = rolloutOf(await asker.ask(request, {}));
          if (io.json) io.printJson({ rollout });
          else io.print(rolloutText(rollout));
          return EXIT.ok;
        },
      ),
  };
}

async function push(input: CommandInput, io: CommandIo): Promise<number> {
  const { parts, push: request } = requestsOf(input.arguments[0] ?? "");
  const infos: RolloutInfo[] = [];
  const take = (json: string): void => {
    const info = BridgeInfoSchema.safeParse(JSON.parse(json));
    if (info.success) infos.splice(0, infos.length, ...info.data.rollouts);
  };
  return withAsker(input, take, async (asker) => {
    for (const part of parts) dataOf(await asker.ask("models/part", part));
    const begun = rolloutOf(await asker.ask("models/push", request));
    if (input.flag("detach")) return tell(begun, io);
    const now = (): RolloutInfo => {
      const told = infos.find(({ cohort }) => cohort === begun.cohort);
      return told === undefined || told.release < begun.release ? begun : told;
    };
    const progress = io.progress(`release ${begun.release}`);
    while (now().release === begun.release && ["spreading", "paused"].includes(now().state)) {
      if (io.signal.aborted) {
        progress.done("spreads on without us");
        return EXIT.interrupted;
      }
      progress.update(waveText(now()), now().nodes.confirmed / Math.max(1, now().nodes.known));
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    progress.done();
    return tell(now(), io, begun);
  });
}

const LOOK_MS = 100;

/** Another release in its place is the way back. */
function tell(rollout: RolloutInfo, io: CommandIo, begun = rollout): number {
  const wentBack = rollout.release !== begun.release || rollout.state === "rolled-back";
  if (io.json)
    io.printJson({
      release: begun.release,
      ended: wentBack ? "rolled-back" : rollout.state,
      rollout,
    });
  else if (wentBack) {
    io.print(`release ${begun.release} went back; ${rolloutText(rollout)}`);
    io.note("models: the diary on bridge/event says why");
  } else io.print(rolloutText(rollout));
  return wentBack ? EXIT.failed : EXIT.ok;
}

function rolloutText(rollout: RolloutInfo): string {
  const { release, model, state, nodes } = rollout;
  return `release ${release}, model ${model}: ${state}, ${nodes.confirmed} of ${nodes.known} nodes run it`;
}

function waveText({ wave, waves, state, nodes, audits, agreement }: RolloutInfo): string {
  const name = wave === 1 ? "canary" : `wave ${wave} of ${waves.length}`;
  const agrees =
    agreement === null ? "" : `, ${audits} audits agree ${Math.round(100 * agreement)} %`;
  const held = state === "paused" ? ", held" : "";
  return `${name}: ${nodes.confirmed} of ${nodes.known} nodes run it${agrees}${held}`;
}

/** Parts first, where the model is too long for one request. */
function requestsOf(model: string): { readonly parts: readonly object[]; readonly push: object } {
  if (/^[0-9a-f]{16}$/.test(model) && !existsSync(model)) return { parts: [], push: { model } };
  const floats = model.replace(/\.bwm$/, ".onnx");
  const hasFloats = floats !== model && existsSync(floats);
  const files = {
    container: readFile(model, UPLOAD_BYTES_MAX.container),
    student: hasFloats ? readFile(floats, UPLOAD_BYTES_MAX.student) : undefined,
  };
  return pushRequests(randomUUID(), files, (bytes) => Buffer.from(bytes).toString("base64"));
}

function rolloutOf(response: RequestResponse): RolloutInfo {
  return dataOf<{ readonly rollout: RolloutInfo }>(response).rollout;
}
