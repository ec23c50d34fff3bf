/**
 * Finds, makes and writes elements. Whatever comes from outside becomes text or the value of an
 * attribute here and never markup: the policy of the gateway (`require-trusted-types-for`) refuses
 * `innerHTML` and its like, and this is what pages use instead.
 */

/** An element that the page's HTML has: without it page and script do not belong together. */
export function element<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found as E;
}

/**
 * `make("td", { class: "sure" }, "90 %")`: strings are text whatever is in them.
 *
 * Attributes that could run something, those of events and `style`, are not for this; the policy
 * would refuse them as well.
 */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** `<tr>` of a table whose first column says what its row is about. */
export function tableRow(
  name: Node | string,
  cells: readonly (Node | string)[],
  attributes: Readonly<Record<string, string>> = {},
): HTMLTableRowElement {
  const head = make("th", { scope: "row" }, name);
  return make("tr", attributes, head, ...cells.map((cell) => make("td", {}, cell)));
}

/** Returns whether it said something else before; what says the same is not touched. */
export function write(target: Element, text: string): boolean {
  if (target.textContent === text) return false;
  target.textContent = text;
  return true;
}

/** What each colour is, beside drawings where place does not say it; others are made like these. */
export function showLegend(list: HTMLElement, names: readonly string[]): void {
  const items = [...names, "unknown"].map((name, i) => {
    const kind = i < names.length ? { "data-kind": String(i % 8) } : {};
    return make("li", kind, name);
  });
  list.replaceChildren(...items);
}

/** How far the reader's own clock was ahead of UTC at a moment. */
export function readersOffsetMs(timeMs: number): number {
  return -60_000 * new Date(timeMs).getTimezoneOffset();
}

/** Null takes the attribute away. */
export function attribute(target: Element, name: string, value: string | null): void {
  if (target.getAttribute(name) === value) return;
  if (value === null) target.removeAttribute(name);
  else target.setAttribute(name, value);
}

/** What is wider than a phone is scrolled by keyboard too, and says what it is. */
export function letScroll(): void {
  for (const wide of document.querySelectorAll<HTMLElement>(".wide")) {
    wide.tabIndex = 0;
    wide.setAttribute("role", "region");
    wide.setAttribute("aria-label", wide.dataset.name ?? "table");
  }
}
