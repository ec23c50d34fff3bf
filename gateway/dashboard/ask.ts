/**
 * Asks the gateway for something, as an operator: the same requests as over MQTT. A browser asks for
 * the operator's name and token by itself where it has none yet.
 */

import type { DataOf, RequestName, RequestOf, RequestResponse } from "../../src/wire/requests.ts";
import { attribute, element, write } from "./elements.ts";

/** A second press within this time carries out what cannot be taken back. */
const ARMED_MS = 6_000;

export type Answer<Name extends RequestName> =
  | { readonly ok: true; readonly data: DataOf<Name> }
  | { readonly ok: false; readonly reason: string };

/** Never rejects: what went wrong is an answer. */
export async function ask<Name extends RequestName>(
  name: Name,
  request: RequestOf<Name>,
): Promise<Answer<Name>> {
  try {
    const response = await fetch(`/api/request/${name}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    const isAnswer = response.headers.get("content-type")?.startsWith("application/json") ?? false;
    if (!isAnswer) return { ok: false, reason: (await response.text()).trim() };
    const answer = (await response.json()) as RequestResponse;
    if (answer.status === "ok") return { ok: true, data: answer.data as DataOf<Name> };
    return { ok: false, reason: `${answer.error}. ${answer.hint}` };
  } catch {
    return { ok: false, reason: "no answer came from the gateway" };
  }
}

/** Reads what needs no request: the answer, or in words why there is none. Never rejects. */
export async function read<T extends object>(
  path: string,
  parameters: Readonly<Record<string, string>>,
): Promise<T | string> {
  try {
    const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`);
    const text = await answer.text();
    if (answer.ok) return JSON.parse(text) as T;
    return text.startsWith("{") ? (JSON.parse(text) as { error: string }).error : text.trim();
  } catch {
    return "the gateway does not answer";
  }
}

/** Says what came of something, where a screen reader hears it. */
export function say(text: string, isBad = false): void {
  const said = element("said");
  write(said, text);
  attribute(said, "class", isBad ? "alarm" : null);
}

/** Asks, and says what went wrong; undefined then. */
export async function askAloud<Name extends RequestName>(
  name: Name,
  request: RequestOf<Name>,
): Promise<DataOf<Name> | undefined> {
  const answer = await ask(name, request);
  if (answer.ok) return answer.data;
  say(answer.reason, true);
  return undefined;
}

/** A button that does something while nothing else is being done by it. */
export function onPress(button: HTMLButtonElement, work: () => Promise<void>): void {
  button.addEventListener("click", oneAtATime(work));
}

/** And a form: sent twice in a hurry, it makes no two codes and pushes no two releases. */
export function onSubmit(form: HTMLFormElement, work: () => Promise<void>): void {
  const begin = oneAtATime(work);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin();
  });
}

function oneAtATime(work: () => Promise<void>): () => void {
  let isBusy = false;
  return () => {
    if (isBusy) return;
    isBusy = true;
    void work().finally(() => {
      isBusy = false;
    });
  };
}

/** One that asks once more before it does what cannot be taken back; by its words, and aloud. */
export function onSurePress(
  button: HTMLButtonElement,
  question: string,
  work: () => Promise<void>,
): void {
  const usual = button.textContent ?? "";
  let isArmed = false;
  const disarm = (): void => {
    isArmed = false;
    write(button, usual);
  };
  onPress(button, async () => {
    if (isArmed) {
      disarm();
      return work();
    }
    isArmed = true;
    write(button, question);
    say(`${question} Press once more.`);
    setTimeout(disarm, ARMED_MS);
  });
}
