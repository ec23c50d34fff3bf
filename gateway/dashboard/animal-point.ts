/**
 * The share of its windows that an animal's node is to offload: what is wanted and where it is, as the
 * gateway told it last, and for operators a way to change it. It asks for nothing by itself that needs
 * an operator.
 */

import type { NodeStateMessage } from "../../src/wire/public.ts";
import { operatingText } from "./animal-view.ts";
import { askAloud, onPress, onSubmit, read, say } from "./ask.ts";
import { element, write } from "./elements.ts";
import { percentText } from "./herd-view.ts";

/** A node answers a change with its next report; it is looked for some times, and after that with the
 * next news of the node. */
const AGAIN_MS = [2_000, 8_000, 20_000];

let node = "";
/** Answers that another question has overtaken are not shown. */
let asked = 0;

export function followPoint(name: string): void {
  node = name;
  element("point-part").hidden = name === "";
  const form = element<HTMLFormElement>("point-form");
  const percent = element<HTMLInputElement>("percent");
  onSubmit(form, () => change({ percent: percent.valueAsNumber }));
  onPress(element<HTMLButtonElement>("released"), () => change({ point: 0 }));
}

/** Asks what was told last of the node. */
export async function drawPoint(): Promise<void> {
  if (node === "") return;
  asked += 1;
  const mine = asked;
  const told = await read<NodeStateMessage>("/api/node", { node });
  if (mine !== asked) return;
  write(element("point"), typeof told === "string" ? "not told" : operatingText(told));
}

async function change(how: { percent: number } | { point: 0 }): Promise<void> {
  const moved = await askAloud("nodes/point", { node, ...how });
  if (moved === undefined) return;
  const { wanted_share: wanted, point, share } = moved;
  const goal =
    wanted === 0 ? "It is to offload as released" : `${percentText(wanted)} of its windows`;
  const now =
    point === null || share === null
      ? "its model is not known here"
      : `the gate for ${percentText(share)} is nearest`;
  say(`${goal}: ${now}. It is told at once, or when it is heard next.`);
  await drawPoint();
  for (const ms of AGAIN_MS) setTimeout(() => void drawPoint(), ms);
}
