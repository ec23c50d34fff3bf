/**
 * The page of models: how the present release spreads, as everybody may hear, and what operators do
 * with it. It asks for nothing by itself that needs an operator.
 */

import type { BridgeInfo } from "../../src/wire/public.ts";
import type { DataOf, RequestOf } from "../../src/wire/requests.ts";
import { ask, askAloud, onPress, onSubmit, onSurePress, say } from "./ask.ts";
import { element, make, tableRow, write } from "./elements.ts";
import { openLine } from "./line.ts";
import { compared, mayDo, percent, rolloutFacts, wavesOf } from "./models-view.ts";

type Listed = DataOf<"models/list">["models"][number];

let info: BridgeInfo | undefined;
let models: readonly Listed[] = [];

const button = (id: string): HTMLButtonElement => element<HTMLButtonElement>(id);
const first = element<HTMLSelectElement>("first");
const second = element<HTMLSelectElement>("second");

openLine({
  onBoard: (changes) => take(changes),
  onChanges: (changes) => take(changes),
  onLive: () => undefined,
});

onPress(button("pause"), () => steer("rollout/pause", "The rollout is held."));
onPress(button("resume"), () => steer("rollout/resume", "The rollout goes on."));
onSurePress(button("abort"), "Really abort?", () =>
  steer("rollout/abort", "The release went back."),
);
onSurePress(button("rollback"), "Really roll back?", () =>
  steer("models/rollback", "The model of before is released again."),
);
onPress(button("distil"), async () => {
  const data = await askAloud("distil/start", {});
  if (data !== undefined) say(`It distils from ${data.labels} answers.`);
});
onPress(button("hold"), async () => {
  const data = await askAloud("distil/stop", {});
  if (data !== undefined) say("Nothing is distilled until somebody starts it.");
});
onPress(button("list"), list);
onSubmit(element<HTMLFormElement>("push"), push);
for (const select of [first, second]) select.addEventListener("change", drawComparison);

function take(changes: readonly { readonly kind: string; readonly value: unknown }[]): void {
  const told = changes.filter(({ kind }) => kind === "info").at(-1);
  if (told === undefined) return;
  info = told.value as BridgeInfo;
  draw();
}

function draw(): void {
  const rollout = info?.rollouts?.[0];
  const loop = info?.loop;
  write(
    element("loop"),
    loop === undefined ? "…" : [loop.state.replace("-", " "), loop.note].filter(Boolean).join(": "),
  );
  const may = mayDo(rollout);
  for (const name of ["pause", "resume", "abort", "rollback"] as const) {
    button(name).disabled = !may[name];
  }
  element("none").hidden = rollout !== undefined;
  if (rollout === undefined) return;
  element("waves").replaceChildren(
    ...wavesOf(rollout).map(({ name, share, nodes, state }) =>
      make("li", { "data-state": state }, `${name}: ${share}, ${nodes} (${state})`),
    ),
  );
  element("facts").replaceChildren(
    ...rolloutFacts(rollout).map(([term, text]) =>
      make("div", {}, make("dt", {}, term), make("dd", {}, text)),
    ),
  );
}

type Steering = "rollout/pause" | "rollout/resume" | "rollout/abort" | "models/rollback";

async function steer(name: Steering, done: string): Promise<void> {
  const data = await askAloud(name, {});
  if (data === undefined) return;
  say(done);
  await listAgain();
}

async function push(): Promise<void> {
  const [container, student] = await Promise.all([base64("container"), base64("floats")]);
  if (container === undefined) return;
  const request = await pushRequest({ container, ...(student !== undefined && { student }) });
  const data = request && (await askAloud("models/push", request));
  if (data === undefined) return;
  say(`Release ${data.rollout.release} goes to its canary.`);
  await listAgain();
}

type Files = { readonly container: string; readonly student?: string };

/** Letters of base64 in one request, whole groups of four. */
const PART_LETTERS = 180_000;

/** What is too long for one request goes before it in parts. Undefined where one was refused. */
async function pushRequest(files: Files): Promise<RequestOf<"models/push"> | undefined> {
  const letters = files.container.length + (files.student?.length ?? 0);
  if (letters <= PART_LETTERS) return files;
  const upload = crypto.randomUUID();
  for (const part of ["container", "student"] as const) {
    const all = files[part] ?? "";
    for (let at = 0; at < all.length; at += PART_LETTERS) {
      const bytes = all.slice(at, at + PART_LETTERS);
      const piece = { upload, part, offset: (at / 4) * 3, bytes };
      if ((await askAloud("models/part", piece)) === undefined) return undefined;
    }
  }
  return { upload };
}

/** Undefined where no file is chosen. */
async function base64(id: string): Promise<string | undefined> {
  const [file] = element<HTMLInputElement>(id).files ?? [];
  if (file === undefined) return undefined;
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

async function list(): Promise<void> {
  const data = await askAloud("models/list", {});
  if (data === undefined) return;
  models = data.models;
  element("listed").hidden = false;
  drawModels();
}

/** Where it is shown already, and may be seen. */
async function listAgain(): Promise<void> {
  if (element("listed").hidden) return;
  const answer = await ask("models/list", {});
  if (!answer.ok) return;
  models = answer.data.models;
  drawModels();
}

function drawModels(): void {
  element("models").replaceChildren(...models.map(rowOf));
  for (const select of [first, second]) {
    const chosen = select.value;
    const options = models.map(({ model, releases }) =>
      make("option", { value: model }, `${model} (${nameOf(releases)})`),
    );
    select.replaceChildren(...options);
    select.value = models.some(({ model }) => model === chosen) ? chosen : "";
  }
  if (first.value === "") first.value = models[0]?.model ?? "";
  if (second.value === "") second.value = models.at(-1)?.model ?? "";
  drawComparison();
}

function rowOf({ model, releases, bytes, exits, audit }: Listed): HTMLTableRowElement {
  const again = make("button", { type: "button" }, `Push ${model.slice(0, 4)} again`);
  onPress(again, async () => {
    const data = await askAloud("models/push", { model });
    if (data === undefined) return;
    say(`Release ${data.rollout.release} goes to its canary.`);
    await listAgain();
  });
  const agreement = audit === null ? "no audit yet" : percent(audit.agreement);
  const cells = [nameOf(releases), `${bytes}`, `${exits}`, agreement];
  return tableRow(model, [...cells, again]);
}

function nameOf(releases: readonly number[]): string {
  return releases.length === 0 ? "never released" : `release ${releases.join(", ")}`;
}

function drawComparison(): void {
  const of = (id: string): Listed | undefined => models.find(({ model }) => model === id);
  const [a, b] = [of(first.value), of(second.value)];
  write(element("first-name"), a?.model ?? "First");
  write(element("second-name"), b?.model ?? "Second");
  const { rows, verdict } = compared(a?.audit ?? null, b?.audit ?? null);
  element("comparison").replaceChildren(
    ...rows.map(([name, left, right]) => tableRow(name, [left, right])),
  );
  write(element("verdict"), verdict);
}
