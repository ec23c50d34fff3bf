/**
 * The accelerometer of the device that the page is open on, by `devicemotion`: every phone's browser
 * has it, and tells of a phone that lies still as often as of one that moves. The newer `Accelerometer`
 * (W3C Generic Sensor) speaks only when a value has changed, which a phone at rest would not.
 *
 * It needs a secure context; iPhones ask the person, and only after a touch.
 */

import type { Reading } from "./motion-stream.ts";

export type MotionEvents = {
  readonly reading: (reading: Reading) => void;
  /** Why there are none, for the person who holds the phone. */
  readonly problem: (text: string) => void;
};

/** iPhones have it; the compiler's library does not. */
type AsksPermission = { requestPermission?: () => Promise<"granted" | "denied"> };

const SILENT_MS = 3_000;

/** Begins to listen; call it from a touch. Returns how to end it. */
export async function listenToMotion(events: MotionEvents): Promise<() => void> {
  if (!window.isSecureContext) {
    events.problem(
      "A browser gives a page the accelerometer over https or on this computer itself only.",
    );
    return () => undefined;
  }
  if (!("DeviceMotionEvent" in window)) {
    events.problem("This browser has no accelerometer.");
    return () => undefined;
  }
  const answer = await (DeviceMotionEvent as AsksPermission)
    .requestPermission?.()
    .catch(() => "denied");
  if (answer === "denied") {
    events.problem("The phone did not allow this page to know how it moves.");
    return () => undefined;
  }
  let heard = false;
  const listener = (event: DeviceMotionEvent): void => {
    const { x, y, z } = event.accelerationIncludingGravity ?? {};
    if (typeof x !== "number" || typeof y !== "number" || typeof z !== "number") return;
    heard = true;
    events.reading({ timeMs: event.timeStamp, acceleration: [x, y, z] });
  };
  window.addEventListener("devicemotion", listener);
  const timer = setTimeout(() => {
    if (!heard) events.problem("No readings come: this device seems to have no accelerometer.");
  }, SILENT_MS);
  return () => {
    clearTimeout(timer);
    window.removeEventListener("devicemotion", listener);
  };
}

/** Browsers of these hand on what iOS says; see `signOf`. iPads say that they are Macintoshes. */
export function platform(): "apple-mobile" | "other" {
  const { userAgent, maxTouchPoints } = navigator;
  const isPad = userAgent.includes("Macintosh") && maxTouchPoints > 1;
  return isPad || /iPhone|iPad|iPod/.test(userAgent) ? "apple-mobile" : "other";
}
