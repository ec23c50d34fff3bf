/**
 * The choice of a day on pages that show one: a date, the day before, the day after. The newest day is
 * asked for again while it goes on.
 */

import type { ToldDay } from "../http/animal-payloads.ts";
import { attribute, element } from "./elements.ts";

const DAY_MS = 86_400_000;
/** What goes on is stored once a minute. */
const AGAIN_MS = 60_000;

export type DayChoice = {
  /** A day has been told and is shown. */
  show(told: ToldDay): void;
};

/**
 * @param look asks for a day by its name
 * @param isLive whether asking again makes sense now
 */
export function openDayChoice(look: (day: string) => void, isLive: () => boolean): DayChoice {
  let shown: ToldDay | undefined;
  const date = element<HTMLInputElement>("date");
  const earlier = element<HTMLButtonElement>("earlier");
  const later = element<HTMLButtonElement>("later");
  const lookFrom = (days: number): void => {
    if (shown === undefined) return;
    const timeMs = Date.parse(`${shown.day}T00:00:00Z`) + days * DAY_MS;
    look(new Date(timeMs).toISOString().slice(0, 10));
  };
  date.addEventListener("change", () => {
    if (date.value !== "") look(date.value);
  });
  earlier.addEventListener("click", () => lookFrom(-1));
  later.addEventListener("click", () => lookFrom(1));
  setInterval(() => {
    if (shown !== undefined && isLive() && shown.day === shown.last_day) look(shown.day);
  }, AGAIN_MS);
  return {
    show: (told) => {
      shown = told;
      const { day, first_day: first, last_day: last } = told;
      date.value = day;
      attribute(date, "min", first);
      attribute(date, "max", last);
      earlier.disabled = first === null || day <= first;
      later.disabled = last === null || day >= last;
    },
  };
}
