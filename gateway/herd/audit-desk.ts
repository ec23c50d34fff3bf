/**
 * Keeps every node's audit chance where `audit-control.ts` wants it, from the gateway's news.
 *
 * A setting may be lost, a node may start anew with the chance of its release, and offloads say with
 * which chance they were chosen: a node that says hello is told again, and so is one whose audits
 * keep coming with another chance than it was told. While a release spreads nothing is asked for:
 * its nodes are audited as the rollout wants it, and are judged anew with the new model.
 */

import type { ModelId, NodeId } from "../../src/wire/messages.ts";
import type { GatewayNews } from "../gateway-state.ts";
import { chosenOf } from "../store/label-rows.ts";
import {
  type AuditControl,
  type AuditRule,
  auditChance,
  learnAudit,
  NEW_AUDIT_CONTROL,
  stepAudit,
} from "./audit-control.ts";

/** Audits in a row with another chance than was set. A backlog may hold a few honest ones. */
const ASTRAY_AUDITS = 4;

type Audited = { readonly model: ModelId; control: AuditControl; astray: number };

export class AuditDesk {
  readonly #rule: AuditRule;
  readonly #nodes = new Map<NodeId, Audited>();

  constructor(rule: AuditRule) {
    this.#rule = rule;
  }

  /** The chance that a node is to be told, 0..1. */
  chanceOf(node: NodeId, releaseChance: number): number {
    return auditChance(this.#nodes.get(node)?.control ?? NEW_AUDIT_CONTROL, releaseChance);
  }

  /** Takes in news. The node that is to be told its chance, where one is. */
  hear(news: GatewayNews, releaseChance: number): NodeId | undefined {
    switch (news.kind) {
      case "hello": {
        const { node, modelId } = news.row;
        return this.#audited(node, modelId).control.factor === 1 ? undefined : node;
      }
      case "drift": {
        const audited = this.#audited(news.node, news.modelId);
        const step = stepAudit(audited.control, news.windows, releaseChance, this.#rule);
        audited.control = step.control;
        return step.changed ? news.node : undefined;
      }
      case "label":
        return news.trusted && this.#learn(news, releaseChance) ? news.item.node : undefined;
      default:
        return undefined;
    }
  }

  /** Whether it still audits with another chance than it was told. */
  #learn(news: Extract<GatewayNews, { kind: "label" }>, releaseChance: number): boolean {
    const { node, offload } = news.item;
    const audited = this.#nodes.get(node);
    const chosen = chosenOf(offload);
    if (audited?.model !== offload.modelId || !chosen.audit) return false;
    audited.control = learnAudit(audited.control, chosen, news.agrees, this.#rule);
    const told = Math.round(65535 * auditChance(audited.control, releaseChance));
    audited.astray = chosen.chanceQ16 === told ? 0 : audited.astray + 1;
    if (audited.astray < ASTRAY_AUDITS) return false;
    audited.astray = 0;
    return true;
  }

  /** Judged anew where another model runs. */
  #audited(node: NodeId, model: ModelId): Audited {
    const known = this.#nodes.get(node);
    if (known?.model === model) return known;
    const made = { model, control: NEW_AUDIT_CONTROL, astray: 0 };
    this.#nodes.set(node, made);
    return made;
  }
}
