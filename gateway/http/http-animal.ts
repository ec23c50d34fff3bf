/**
 * What there is to read of the store over HTTP: of one animal a day, the windows that it offloaded, one
 * of them whole, and those beside it; a day of a group; and of all nodes, what other shares of offloads
 * would give. Every parameter is bounded here; what is in the store is asked of `page-reader.ts`.
 */

import type { ServerResponse } from "node:http";
import { isGroupName, isNodeId } from "../../src/wire/topics.ts";
import type { PageQuestion, PageReader } from "../store/page-reader.ts";
import type { HttpRoute } from "./http-listener.ts";
import { sayJson } from "./http-routes.ts";

/** Milliseconds since 1970 that a payload may have, too (`src/wire/public.ts`). */
const TIME_MAX = 0xffff_ffff_ffff;
/** What the numbers of an SQLite table cannot pass and JavaScript still counts exactly. */
const ID_MAX = Number.MAX_SAFE_INTEGER;

type Asking = (parameters: ReadonlyMap<string, string>) => PageQuestion | string;

type Question = {
  readonly path: string;
  readonly for: HttpRoute["for"];
  readonly names: readonly string[];
  readonly asking: Asking;
};

/** A window's samples are no public topic: they may show a person's movement. */
const QUESTIONS: readonly Question[] = [
  {
    path: "/api/animal",
    for: "readers",
    names: ["node", "day"],
    asking: (given) => {
      const node = nodeOf(given);
      const day = dayOf(given);
      if (node === undefined || day === null) return WORDS;
      return { kind: "animal", node, day };
    },
  },
  {
    path: "/api/windows",
    for: "insiders",
    names: ["node", "day", "after"],
    asking: (given) => {
      const node = nodeOf(given);
      const day = dayOf(given);
      const afterMs = numberOf(given, "after", TIME_MAX);
      if (node === undefined || day === null || afterMs === null) return WORDS;
      return { kind: "windows", node, day, afterMs };
    },
  },
  ofOffload("window"),
  ofOffload("near"),
];

const GROUP_WORDS = "name is a group's name, day such as 2026-03-14";

const WORDS =
  "node is a node's name, day such as 2026-03-14, after milliseconds since 1970, id a whole number";

export function animalRoutes(reader: PageReader): readonly HttpRoute[] {
  const questions = QUESTIONS.map(
    ({ path, for: whom, names, asking }): HttpRoute => ({
      path,
      for: whom,
      answer: (response) => {
        const given = parametersOf(response.req.url ?? "", names);
        const question = given === undefined ? WORDS : asking(given);
        if (typeof question === "string") return sayJson(response, 400, { error: question });
        answer(response, reader, question);
      },
    }),
  );
  return [...questions, curvesRoute(reader), groupRoute(reader)];
}

/** Budgets and bouts, which readers may hear of every node. */
function groupRoute(reader: PageReader): HttpRoute {
  return {
    path: "/api/group",
    for: "readers",
    answer: (response) => {
      const given = parametersOf(response.req.url ?? "", ["name", "day"]);
      const group = given?.get("name") ?? "";
      const day = given === undefined ? null : dayOf(given);
      if (!isGroupName(group) || day === null) {
        return sayJson(response, 400, { error: GROUP_WORDS });
      }
      answer(response, reader, { kind: "group", group, day });
    },
  };
}

/** Sums over many nodes, as what audits say is: for whoever may hear the topics. */
function curvesRoute(reader: PageReader): HttpRoute {
  return {
    path: "/api/curves",
    for: "readers",
    answer: (response) => answer(response, reader, { kind: "curves" }),
  };
}

function answer(response: ServerResponse, reader: PageReader, question: PageQuestion): void {
  if (!reader.hasRoom) {
    response.setHeader("retry-after", "2");
    return sayJson(response, 503, { error: "too many questions are waiting" });
  }
  reader.ask(question).then(
    (told) => {
      if (response.destroyed) return;
      if (told === undefined) return sayJson(response, 500, { error: "the store cannot be read" });
      response.writeHead(told.status, { "content-type": "application/json; charset=utf-8" });
      response.end(told.json);
    },
    () => response.destroy(),
  );
}

/** About one offload of a node. */
function ofOffload(kind: "window" | "near"): Question {
  return {
    path: `/api/${kind}`,
    for: "insiders",
    names: ["node", "id"],
    asking: (given) => {
      const node = nodeOf(given);
      const offloadId = numberOf(given, "id", ID_MAX);
      if (node === undefined || offloadId === null || offloadId === undefined) return WORDS;
      return { kind, node, offloadId };
    },
  };
}

/** Undefined where there is another than those, or one of them twice. */
function parametersOf(
  url: string,
  names: readonly string[],
): ReadonlyMap<string, string> | undefined {
  const parameters = [...new URLSearchParams(url.split("?")[1] ?? "")];
  const given = new Map(parameters);
  const isKnown = parameters.every(([name]) => names.includes(name));
  return isKnown && given.size === parameters.length ? given : undefined;
}

function nodeOf(given: ReadonlyMap<string, string>): string | undefined {
  const text = given.get("node") ?? "";
  return isNodeId(text) ? text : undefined;
}

/** Null for what is no day; that there are days such as the 31st of February is left to the calendar. */
function dayOf(given: ReadonlyMap<string, string>): string | undefined | null {
  const text = given.get("day");
  return text === undefined || /^(19[7-9]|20\d|21\d)\d-[01]\d-[0-3]\d$/.test(text) ? text : null;
}

function numberOf(
  given: ReadonlyMap<string, string>,
  name: string,
  most: number,
): number | undefined | null {
  const text = given.get(name);
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return value <= most ? value : null;
}
