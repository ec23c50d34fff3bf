/** The page of settings: join codes with a QR code for phones, who has credentials, what is set. */

import type { DataOf } from "../../src/wire/requests.ts";
import { askAloud, onPress, onSubmit, onSurePress, say } from "./ask.ts";
import { element, make, tableRow, write } from "./elements.ts";
import { openLine } from "./line.ts";
import { qrModules } from "./qr.ts";

/** Light modules around a code, by which readers find it (ISO/IEC 18004, 6.3.8). */
const QUIET_ZONE = 4;

const field = (id: string): HTMLInputElement => element<HTMLInputElement>(id);

openLine({ onBoard: () => undefined, onChanges: () => undefined, onLive: () => undefined });

onSubmit(element<HTMLFormElement>("add"), add);
onPress(element<HTMLButtonElement>("show"), show);
onPress(element<HTMLButtonElement>("read"), read);

async function add(): Promise<void> {
  const node = field("node").value.trim();
  const data = await askAloud("nodes/add", {
    ...(node !== "" && { node }),
    uses: field("uses").valueAsNumber,
    minutes: field("minutes").valueAsNumber,
  });
  if (data === undefined) return;
  tellCode(data.code, data.expires, data.node ?? "any node");
  await showAgain();
}

/** The code is in the link's fragment, which browsers send to nobody. What `phoneLink` makes, whose
 * module needs a library that these pages do without. */
function tellCode(code: string, expires: number, who: string): void {
  const link = `${location.origin}/node#code=${code}`;
  write(element("letters"), code);
  write(
    element("until"),
    `for ${who}, until ${new Date(expires).toLocaleString()}; shown this once`,
  );
  element<HTMLAnchorElement>("link").href = link;
  const modules = qrModules(link);
  element("qr").toggleAttribute("hidden", modules === undefined);
  if (modules !== undefined) drawQr(modules);
  element("code").hidden = false;
  say(`The join code is ${code}.`);
}

function drawQr(modules: readonly (readonly boolean[])[]): void {
  const size = modules.length + 2 * QUIET_ZONE;
  const dark = modules.flatMap((row, y) =>
    row.flatMap((isDark, x) => (isDark ? [`M${x + QUIET_ZONE} ${y + QUIET_ZONE}h1v1h-1z`] : [])),
  );
  element("qr").setAttribute("viewBox", `0 0 ${size} ${size}`);
  for (const side of ["width", "height"]) element("qr-ground").setAttribute(side, `${size}`);
  element("qr-dark").setAttribute("d", dark.join(""));
}

async function show(): Promise<void> {
  const data = await askAloud("nodes/list", {});
  if (data === undefined) return;
  element("shown").hidden = false;
  draw(data);
}

async function showAgain(): Promise<void> {
  if (!element("shown").hidden) await show();
}

function draw({ nodes, codes }: DataOf<"nodes/list">): void {
  element("nodes").replaceChildren(...nodes.map(nodeRow));
  element("codes").replaceChildren(
    ...codes.map(({ label, node, uses, expires }) => {
      const close = revokeButton(label, `Close ${label}`, `Really close ${label}?`);
      const until = new Date(expires).toLocaleString();
      return row(label, [node ?? "any node", `${uses}`, until], [close]);
    }),
  );
}

function nodeRow(known: DataOf<"nodes/list">["nodes"][number]): HTMLTableRowElement {
  const { node, password, certificate, changed, online } = known;
  const by = [...(password ? ["password"] : []), ...(certificate === null ? [] : ["certificate"])];
  const rotate = make("button", { type: "button" }, `New code for ${node}`);
  onPress(rotate, async () => {
    const data = await askAloud("nodes/rotate", { node, code: true });
    if (data === undefined || data.code === null || data.expires === null) return;
    tellCode(data.code, data.expires, node);
    await showAgain();
  });
  const revoke = revokeButton(node, `Revoke ${node}`, `Really revoke ${node}?`);
  const since = new Date(changed).toLocaleString();
  const now = online ? "online" : "offline";
  return row(node, [by.join(", "), since, now], [rotate, revoke]);
}

function revokeButton(name: string, words: string, question: string): HTMLButtonElement {
  const button = make("button", { type: "button" }, words);
  onSurePress(button, question, async () => {
    const data = await askAloud("nodes/revoke", { name });
    if (data === undefined) return;
    say(`${name} is not known any more.`);
    await showAgain();
  });
  return button;
}

function row(
  name: string,
  cells: readonly string[],
  buttons: readonly HTMLButtonElement[],
): HTMLTableRowElement {
  const made = tableRow(name, cells);
  made.append(make("td", { class: "tools" }, ...buttons));
  return made;
}

async function read(): Promise<void> {
  const data = await askAloud("config/show", {});
  if (data === undefined) return;
  element("values").hidden = false;
  element("rows").replaceChildren(
    ...settingsOf(data.settings).map(([name, value]) => tableRow(name, [value])),
  );
}

/** By their whole names: `releases.policy.soak_ms`. */
function settingsOf(settings: Readonly<Record<string, unknown>>, above = ""): [string, string][] {
  return Object.entries(settings).flatMap(([key, value]): [string, string][] => {
    const name = `${above}${key}`;
    const isSection = typeof value === "object" && value !== null && !Array.isArray(value);
    return isSection
      ? settingsOf(value as Record<string, unknown>, `${name}.`)
      : [[name, value === null ? "not set" : JSON.stringify(value)]];
  });
}
