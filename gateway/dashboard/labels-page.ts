/**
 * The label inbox: one window after another that nobody can vouch for, and buttons for what it is.
 *
 * An answer is said to the gateway and counts when it says so; until then nothing moves on. Keys 1 to
 * 9 answer, s passes over, u takes the last back, unless a person has switched keys off, who may speak
 * to the machine or lean on it.
 */

import type { AnimalWindow } from "../http/animal-payloads.ts";
import { askAloud, onPress, read, say } from "./ask.ts";
import { attribute, element, make, readersOffsetMs, write } from "./elements.ts";
import { openLine } from "./line.ts";
import { showNear } from "./near-windows.ts";
import { showWindow } from "./window-card.ts";

type Inbox = NonNullable<Awaited<ReturnType<typeof readInbox>>>;
type Asked = Inbox["windows"][number];

const WHY: Readonly<Record<Asked["reason"], string>> = {
  "not-trusted": "the teacher does not know this kind of signal",
  contradicted: "people contradict the teacher on this animal",
  unsure: "the teacher is not sure",
};

const keys = element<HTMLInputElement>("keys");
let inbox: Inbox | undefined;
let asked: Asked | undefined;
let last: Asked | undefined;
/** One thing at a time: an answer that is under way is not given twice, and no window is answered
 * that nobody has seen. */
let isBusy = true;

openLine({ onBoard: () => undefined, onChanges: () => undefined, onLive: () => undefined });
onPress(element<HTMLButtonElement>("skip"), () => answer("skip"));
onPress(element<HTMLButtonElement>("undo"), takeBack);
document.addEventListener("keydown", onKey);
void next().finally(() => setBusy(false));

function readInbox() {
  return askAloud("labels/inbox", { limit: 1 });
}

async function next(): Promise<void> {
  inbox = await readInbox();
  if (inbox === undefined) {
    write(element("about"), "The gateway did not say what to label.");
    return;
  }
  asked = inbox.windows[0];
  element("question").hidden = asked === undefined && last === undefined;
  const { waiting, labels, wanted } = inbox;
  const given = `${labels} labelled so far`;
  write(
    element("about"),
    asked === undefined
      ? `Nothing is asked now; ${given}.`
      : `${waiting} windows wait; ${given}. With ${wanted} new ones a student is taught.`,
  );
  element<HTMLProgressElement>("done").value = labels / Math.max(1, labels + waiting);
  await showAsked();
  drawAnswers(inbox.classes);
}

function drawAnswers(classes: readonly string[]): void {
  const group = element("answers");
  if (group.querySelector("button") === null) group.append(...classes.map(answerButton));
  for (const button of group.querySelectorAll("button")) button.disabled = !isSeen();
  element<HTMLButtonElement>("skip").disabled = asked === undefined;
}

/** One that cannot be shown may be passed over, but nobody can say what it is. */
function isSeen(): boolean {
  return asked !== undefined && !element("shown").hidden;
}

function answerButton(name: string, index: number): HTMLButtonElement {
  const key = String(index + 1);
  const button = make("button", { type: "button" }, index < 9 ? `${name} (${key})` : name);
  if (index < 9) button.setAttribute("aria-keyshortcuts", key);
  onPress(button, () => answer("label", name));
  return button;
}

async function showAsked(): Promise<void> {
  element("shown").hidden = true;
  write(element("whose"), asked?.node ?? "");
  const time = asked === undefined ? "" : new Date(asked.time).toLocaleString();
  write(element("when"), asked === undefined ? "" : `until ${time}; ${WHY[asked.reason]}`);
  if (asked === undefined) return;
  const { node, window } = asked;
  const told = await read<AnimalWindow>("/api/window", { node, id: String(window) });
  if (typeof told === "string") return say(`The window cannot be shown: ${told}.`, true);
  const offsetMs = readersOffsetMs(asked.time);
  showWindow(told, inbox?.classes ?? [], offsetMs);
  void showNear(told, offsetMs);
}

async function answer(deed: "label" | "skip", behaviour = ""): Promise<void> {
  if (asked === undefined || isBusy || (deed === "label" && !isSeen())) return;
  setBusy(true);
  const { window, node } = asked;
  const done =
    deed === "label"
      ? await askAloud("labels/label", { window, behaviour })
      : await askAloud("labels/skip", { window });
  if (done !== undefined) {
    last = asked;
    attribute(element("undo"), "disabled", null);
    say(deed === "label" ? `${node}: ${behaviour}, stored.` : `${node}: passed over.`);
    await next();
  }
  setBusy(false);
}

async function takeBack(): Promise<void> {
  if (last === undefined || isBusy) return;
  setBusy(true);
  const { window, node } = last;
  if ((await askAloud("labels/undo", { window })) !== undefined) {
    say(`${node}: taken back, and asked again.`);
    last = undefined;
    attribute(element("undo"), "disabled", "");
    await next();
  }
  setBusy(false);
}

function setBusy(busy: boolean): void {
  isBusy = busy;
  // Not disabled: a button that was pressed by key keeps its focus.
  attribute(element("answers"), "aria-busy", busy ? "true" : null);
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !keys.checked) return;
  const name = inbox?.classes[Number(event.key) - 1];
  if (/^[1-9]$/.test(event.key) && name !== undefined) void answer("label", name);
  else if (event.key === "s") void answer("skip");
  else if (event.key === "u") void takeBack();
}
