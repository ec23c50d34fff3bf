/** `bellwether nodes point`: what share of its windows a node is to offload, by its model's points. */

import { EdgeError } from "../src/assert.ts";
import type { DataOf } from "../src/wire/requests.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { ASK_OPTIONS, dataOf, withAsker } from "./operator-request.ts";

export const POINT: CommandSpec = {
  name: "point",
  summary: "have a node offload another share of its windows",
  description:
    "Has a running gateway move a node to an operating point of the model that it runs: by the\n" +
    "point's number (`models inspect` lists them), by a share such as 2%, for which it takes the\n" +
    "nearest point below, or back to the gate as it was released. It stays there over restarts and\n" +
    "releases.",
  arguments: [
    { name: "<node>", description: "the node's name" },
    { name: "<point>", description: "a number from 1, a share such as 2%, or `released`" },
  ],
  options: ASK_OPTIONS,
  examples: [
    "bellwether nodes point collar-7 2%",
    "bellwether nodes point collar-7 5",
    "bellwether nodes point collar-7 released",
  ],
  run: point,
};

async function point(input: CommandInput, io: CommandIo): Promise<number> {
  const [node = "", wanted = ""] = input.arguments;
  const request = { node, ...readPoint(wanted) };
  return withAsker(
    input,
    () => undefined,
    async (asker) => {
      const moved = dataOf<DataOf<"nodes/point">>(await asker.ask("nodes/point", request));
      if (io.json) io.printJson(moved);
      else io.print(pointText(moved));
      return EXIT.ok;
    },
  );
}

/** Throws `EdgeError` `point-text`. */
export function readPoint(text: string): { readonly point: number } | { readonly percent: number } {
  if (text === "released") return { point: 0 };
  const [, digits, fraction, percent] = /^(\d{1,3})(\.\d+)?( ?%)?$/.exec(text) ?? [];
  if (digits !== undefined && percent !== undefined) {
    const share = Number(digits + (fraction ?? ""));
    if (share > 0 && share <= 100) return { percent: share };
  } else if (digits !== undefined && fraction === undefined) return { point: Number(digits) };
  throw new EdgeError({
    code: "point-text",
    message: `${JSON.stringify(text)} is no operating point`,
    where: "<point>",
    hint: "Give a number from 1, a share such as 2%, or released.",
  });
}

function pointText({ node, wanted_share, point, share }: DataOf<"nodes/point">): string {
  const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;
  const goal = wanted_share === 0 ? "as released" : `${percent(wanted_share)} wanted`;
  const now =
    point === null || share === null
      ? "its model is not known here"
      : `point ${point} of its model, which aims at ${percent(share)}`;
  return `${node}: ${goal}; ${now}`;
}
