/**
 * Drawings in SVG that are as wide as the page has room, so that their letters keep their size on a
 * phone: each is drawn anew when its place becomes another.
 */

const NAMESPACE = "http://www.w3.org/2000/svg";

export type Attributes = Readonly<Record<string, string | number>>;

/** Strings are text whatever is in them. */
export function draw(
  tag: string,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElement {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, typeof value === "number" ? value.toFixed(1) : value);
  }
  made.append(...children);
  return made;
}

export type Picture = {
  readonly heightPx: number;
  /** The whole of it in a sentence, for those who do not see it. */
  readonly label: string;
  readonly parts: readonly SVGElement[];
};

/** Draws now and whenever the place changes; what is returned draws again. */
export function drawInto(place: HTMLElement, pictureOf: (widthPx: number) => Picture): () => void {
  let drawnPx = 0;
  const again = (): void => {
    drawnPx = place.clientWidth;
    if (drawnPx === 0) return;
    const { heightPx, label, parts } = pictureOf(drawnPx);
    const size = { width: drawnPx, height: heightPx, viewBox: `0 0 ${drawnPx} ${heightPx}` };
    place.replaceChildren(draw("svg", { ...size, role: "img", "aria-label": label }, ...parts));
  };
  new ResizeObserver(() => {
    if (place.clientWidth !== drawnPx) again();
  }).observe(place);
  again();
  return again;
}

/** A rectangle with the words that a pointer over it shows. */
export function box(
  [x, y, width, height]: readonly [number, number, number, number],
  attributes: Attributes,
  words: string,
): SVGElement {
  // A page that is narrower than its names has no room left.
  const size = { width: Math.max(0, width), height: Math.max(0, height) };
  return draw("rect", { x, y, ...size, ...attributes }, draw("title", {}, words));
}

export function letters(
  [x, y]: readonly [number, number],
  text: string,
  anchor: "start" | "middle" | "end" = "start",
): SVGElement {
  return draw("text", { x, y, "text-anchor": anchor }, text);
}
