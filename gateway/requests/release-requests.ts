/** Requests about models and their rollouts, and about the loop that makes them. */

import { EdgeError } from "../../src/assert.ts";
import { decodeContainer } from "../../src/model/container.ts";
import type { ModelId, NodeId } from "../../src/wire/messages.ts";
import type { RolloutInfo } from "../../src/wire/public.ts";
import type { DataOf, RequestOf } from "../../src/wire/requests.ts";
import { modelId } from "../../src/wire/topics.ts";
import { type LoopControl, pushModel } from "../distil/loop-control.ts";
import type { GatewayState, Serving } from "../gateway-state.ts";
import type { Kept } from "../release/release-desk.ts";
import { installTurn, type RolloutOrder } from "../release/rollout-steering.ts";
import type { LabelReader } from "../store/label-reader.ts";
import { auditOf } from "../telling/tell-audits.ts";
import { rolloutInfo, rolloutInfos } from "../telling/tell-rollouts.ts";
import { ModelUploads } from "./model-uploads.ts";
import type { Asker, Done, RequestTable } from "./request-desk.ts";

export type ReleaseRequestParts = {
  readonly state: GatewayState;
  readonly control: LoopControl;
  readonly labels: () => Pick<LabelReader, "modelAudits">;
  /** Carries an order out at once. Throws `EdgeError` where it makes no sense. */
  readonly steer: (cohort: string, order: RolloutOrder) => void;
};

export function releaseRequests(parts: ReleaseRequestParts) {
  const { control } = parts;
  const uploads = new ModelUploads();
  return {
    "models/list": () => ({ data: listed(parts) }),
    "models/part": ({ upload, part, offset, bytes }) => {
      const piece = { part, offset, bytes: Buffer.from(bytes, "base64") };
      return { data: { upload, part, bytes: uploads.take(upload, piece) } };
    },
    "models/push": (request) => push(parts, request, uploads),
    "models/install": ({ node }) => install(parts, node as NodeId),
    "models/rollback": (_request, asker) => steer(parts, order("rollback", asker)),
    "rollout/pause": () => steer(parts, { kind: "pause" }),
    "rollout/resume": () => steer(parts, { kind: "resume" }),
    "rollout/abort": (_request, asker) => steer(parts, order("abort", asker)),
    "distil/start": () => {
      const labels = control.begin();
      return { data: { labels }, what: `from ${labels} answers` };
    },
    "distil/stop": () => ({ data: { ended: control.hold() } }),
  } satisfies RequestTable;
}

function order(kind: "abort" | "rollback", { user = "somebody" }: Asker): RolloutOrder {
  const what = kind === "abort" ? "ended" : "taken back";
  return { kind, reason: `${what} by ${user}` };
}

function listed({ state, control, labels }: ReleaseRequestParts): DataOf<"models/list"> {
  const { registry } = control;
  const audits = labels().modelAudits();
  const releases = registry.releases().map(({ manifest }) => manifest);
  const models = registry.models().flatMap((model) => {
    const container = registry.container(model);
    // A damaged one is nobody's model.
    if (container === undefined) return [];
    const { cohort, student } = decodeContainer(container);
    const counts = audits.get(model);
    return {
      model,
      bytes: container.length,
      cohort,
      exits: student.stages.length,
      floats: registry.student(model) !== undefined,
      releases: releases.filter((one) => one.modelId === model).map((one) => one.sequence),
      audit: counts === undefined ? null : auditOf(counts),
    };
  });
  return {
    models,
    releases: releases.map(({ sequence, modelId: model, purpose, cohort, createdMs }) => {
      return { release: sequence, model, purpose, cohort, created: createdMs };
    }),
    rollouts: rolloutInfos(state),
  };
}

function push(
  parts: ReleaseRequestParts,
  request: RequestOf<"models/push">,
  uploads: ModelUploads,
): Done<DataOf<"models/push">> {
  const { state, control } = parts;
  const { desk } = control;
  const rows = [...state.nodes.values()].map(({ row }) => row);
  const rollout = state.serving.get(desk.cohort)?.rollout;
  const wanted = pushed(control, request, uploads);
  const served = pushModel(control, wanted, { rows, rollout }, Date.now());
  if (request.upload !== undefined) uploads.end();
  const release = served.rollout.sequence;
  const what = `release ${release}, model ${served.modelId}`;
  return { data: { rollout: infoOf(parts) }, release, what };
}

function pushed(
  { registry }: LoopControl,
  request: RequestOf<"models/push">,
  uploads: ModelUploads,
): Kept {
  const { container, upload, model, student } = request;
  const floats = student === undefined ? undefined : Buffer.from(student, "base64");
  if (upload !== undefined) {
    const kept = uploads.find(upload);
    return { container: kept.container, student: floats ?? kept.student };
  }
  if (container !== undefined) {
    return { container: Buffer.from(container, "base64"), student: floats };
  }
  const id: ModelId = modelId(model ?? "");
  const kept = registry.container(id);
  if (kept !== undefined) return { container: kept, student: floats ?? registry.student(id) };
  throw new EdgeError({
    code: "model-unknown",
    message: `there is no model ${id} in the registry`,
    where: "models/push",
    hint: "`models/list` names those that are there; push the container itself for any other.",
  });
}

function steer(parts: ReleaseRequestParts, wanted: RolloutOrder): Done<DataOf<"rollout/pause">> {
  const { rollout } = servingOf(parts);
  parts.steer(rollout.cohort, wanted);
  const release = rollout.sequence;
  return { data: { rollout: infoOf(parts) }, release, what: `release ${release}` };
}

function install(parts: ReleaseRequestParts, node: NodeId): Done<DataOf<"models/install">> {
  const row = parts.state.nodes.get(node)?.row;
  const { rollout } = servingOf(parts);
  if (row === undefined || row.cohort !== rollout.cohort) {
    throw new EdgeError({
      code: "node-unknown",
      message: `no node of ${rollout.cohort} is called ${node}`,
      where: "models/install",
      hint: "`bridge/devices` names those that have been heard.",
    });
  }
  const release = rollout.sequence;
  parts.steer(rollout.cohort, { kind: "install", node });
  const turn = installTurn(servingOf(parts).rollout, node);
  return { data: { node, release, turn }, node, release, what: `${node}, release ${release}` };
}

function infoOf(parts: ReleaseRequestParts): RolloutInfo {
  return rolloutInfo(parts.state, servingOf(parts));
}

/** What nodes are being given, by the one cohort of this gateway. */
function servingOf({ state, control }: ReleaseRequestParts): Serving {
  const serving = state.serving.get(control.desk.cohort);
  if (serving !== undefined) return serving;
  throw new EdgeError({
    code: "rollout-none",
    message: "there has been no release yet",
    where: control.desk.cohort,
    hint: "Push a model, or wait for a distillation.",
  });
}
