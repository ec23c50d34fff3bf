/** What the page says of its node, written into the elements that the HTML has for it. */

import { EdgeError } from "../../src/assert.ts";
import type { NodeStatus } from "../node-runtime.ts";
import type { Decided, ReleaseNews, Told } from "../node-types.ts";
import { UNBELIEVED_SEQUENCE } from "../staging.ts";

/** An element that the page's HTML has: without it page and script do not belong together. */
export function element<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found as E;
}

/** What says the same is not touched, so that no screen reader says it again. */
export function write(id: string, text: string): void {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
}

export function show(id: string, isShown: boolean): void {
  element(id).hidden = !isShown;
}

/** An empty text takes it away. */
export function showProblem(text: string): void {
  show("problem", text !== "");
  write("problem", text);
}

/** What went wrong, for a person. */
export function sentenceOf(error: unknown): string {
  if (error instanceof EdgeError) return `${error.message}. ${error.hint}`;
  return error instanceof Error ? error.message : String(error);
}

export function showLink(state: "waiting" | "live" | "lost", text: string): void {
  element("link").dataset.link = state;
  write("link", text);
}

export class NodeView {
  readonly #classes: readonly string[];
  #offloads = 0;
  #windows = 0;

  constructor(classes: readonly string[]) {
    this.#classes = classes;
  }

  /** @param truth what a recording or an emulator says, where there is one */
  decided(decided: Decided, truth: number | undefined): void {
    this.#windows += 1;
    if (decided.offload !== null) this.#offloads += 1;
    const confidence = decided.confidenceQ8 / 256;
    write("behaviour", this.#name(decided.classIndex));
    write("truth", truth === undefined ? "" : `in truth ${this.#name(truth)}`);
    element<HTMLMeterElement>("confidence").value = confidence;
    write("confidence-text", `${Math.round(100 * confidence)} %`);
    const asked = decided.offload === null ? "" : `, offloaded: ${decided.offload}`;
    write("fact-exit", `exit ${decided.exit + 1}${asked}`);
    const share = Math.round((100 * this.#offloads) / this.#windows);
    write("fact-offloads", `${this.#offloads} of ${this.#windows} here (${share} %)`);
  }

  told({ classIndex, trusted, windowIndex }: Told): void {
    const said = trusted ? this.#name(classIndex) : "does not know this kind of signal";
    write("fact-verdict", `${said}, of window ${windowIndex}`);
  }

  released({ releaseSequence, outcome }: ReleaseNews): void {
    const which = releaseSequence === UNBELIEVED_SEQUENCE ? "an offer" : releaseSequence;
    write("fact-release", `${which}: ${outcome}`);
  }

  status(status: NodeStatus): void {
    write("fact-windows", String(status.windows));
    const dropped = status.dropped === 0 ? "" : `, ${status.dropped} dropped`;
    write("fact-owed", `${status.outbox}${dropped}`);
    const release = status.releaseSequence === 0 ? "factory" : `release ${status.releaseSequence}`;
    write("fact-model", `${status.modelId}, ${release}${status.onTrial ? ", on trial" : ""}`);
  }

  #name(classIndex: number): string {
    return this.#classes[classIndex] ?? "?";
  }
}
