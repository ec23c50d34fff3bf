/**
 * The page of a group: what each of its animals did on a day, one lane under the other, and their time
 * budgets beside the average one. Where it stands is in the address: `/group?name=heifers&day=2026-03-14`.
 */

import type { GroupDay } from "../http/group-payloads.ts";
import type { BoardChange } from "../telling/board.ts";
import { clockText, minutesText, zoneText } from "./animal-view.ts";
import { read } from "./ask.ts";
import { openDayChoice } from "./day-choice.ts";
import { drawInto } from "./drawing.ts";
import {
  attribute,
  element,
  letScroll,
  make,
  readersOffsetMs,
  showLegend,
  tableRow,
  write,
} from "./elements.ts";
import { barsPicture, lanesPicture } from "./group-drawings.ts";
import { openLine } from "./line.ts";

const NOTHING = { heightPx: 1, label: "nothing yet", parts: [] };

const address = new URLSearchParams(location.search);
const name = address.get("name") ?? "";
let day: GroupDay | undefined;
const groups = new Set<string>(name === "" ? [] : [name]);
/** Answers to questions that were overtaken by another are not shown. */
let asked = 0;

const choice = element<HTMLSelectElement>("group");
const lanes = drawInto(element("lanes"), (widthPx) =>
  day === undefined ? NOTHING : lanesPicture(day, widthPx),
);
const bars = drawInto(element("bars"), (widthPx) =>
  day === undefined ? NOTHING : barsPicture(day, widthPx),
);

const line = openLine({ onBoard: take, onChanges: take, onLive: () => undefined });
const dates = openDayChoice((when) => void look(when), line.isLive);
letScroll();
choice.addEventListener("change", () => {
  location.search = `?name=${encodeURIComponent(choice.value)}`;
});
drawChoice();
attribute(element("content"), "data-empty", "");
if (name === "") write(element("day-text"), "Choose a group above; the settings name them.");
else {
  write(element("title"), name);
  document.title = `${name} - Bellwether`;
  void look(address.get("day") ?? undefined);
}

async function look(when: string | undefined): Promise<void> {
  asked += 1;
  const mine = asked;
  const told = await read<GroupDay>("/api/group", {
    name,
    ...(when !== undefined && { day: when }),
  });
  if (mine !== asked) return;
  if (typeof told === "string") {
    write(element("day-text"), `Nothing to show: ${told}.`);
    return;
  }
  day = told;
  attribute(element("content"), "data-empty", null);
  history.replaceState(null, "", `?${new URLSearchParams({ name, day: told.day })}`);
  drawDay(told);
}

function drawDay(told: GroupDay): void {
  const { classes } = told;
  dates.show(told);
  write(element("day-text"), `${dayText(told)}${zoneText(told, readersOffsetMs(told.start))}`);
  showLegend(element("legend"), classes);
  lanes();
  bars();
  const titles = ["Animal", ...classes, "unknown"];
  const head = make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title)));
  element("budget-head").replaceChildren(head);
  const average = { node: "the average", budget: told.budget };
  const rows = [average, ...told.nodes].map(({ node, budget }) => {
    const texts =
      budget === null
        ? [...classes.map(() => "-"), "never heard"]
        : [
            ...classes.map((one) => minutesText(budget.minutes[one] ?? 0)),
            minutesText(budget.unknown_minutes),
          ];
    return tableRow(node === average.node ? node : linkTo(node, told.day), texts);
  });
  element("budget-rows").replaceChildren(...rows);
}

function dayText({ day: when, nodes, budget, known_until: until, end, ...told }: GroupDay): string {
  const heard = nodes.filter((one) => one.budget !== null).length;
  const who = `${heard} of ${nodes.length} ${nodes.length === 1 ? "animal" : "animals"} heard`;
  if (budget === null) return `${when}: ${who}.`;
  const known = Object.entries(budget.minutes).filter(([, minutes]) => minutes >= 0.5);
  if (known.length === 0) return `Nothing is known of ${when}; ${who}.`;
  const parts = known.map(([behaviour, minutes]) => `${behaviour} ${minutesText(minutes)}`);
  const so = until < end ? ` until ${clockText(until, told.utc_offset_ms)}` : "";
  return `${when}${so}, the average animal: ${parts.join(", ")}, unknown ${minutesText(budget.unknown_minutes)}; ${who}.`;
}

function linkTo(node: string, when: string): HTMLElement {
  return make("a", { href: `/animal?node=${encodeURIComponent(node)}&day=${when}` }, node);
}

function take(changes: readonly BoardChange[]): void {
  const before = groups.size;
  for (const change of changes) if (change.kind === "group") groups.add(change.group);
  if (groups.size !== before) drawChoice();
}

function drawChoice(): void {
  const first = name === "" ? [make("option", { value: "" }, "choose")] : [];
  const options = [...groups].sort().map((one) => make("option", { value: one }, one));
  choice.replaceChildren(...first, ...options);
  choice.value = name;
}
