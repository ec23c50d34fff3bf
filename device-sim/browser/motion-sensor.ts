/**
 * The accelerometer of the device that the page is open on.
 *
 * Two ways in, the better first: the Generic Sensor API, which says when each reading was taken, and
 * `devicemotion`, which every phone's browser has. Both need a secure context; iPhones ask the
 * person, and only after a touch.
 */

import type { Reading } from "./motion-stream.ts";

/** What `Accelerometer` is, in so far as it is used here; no compiler library has it. */
type GenericSensor = EventTarget & {
  readonly x: number | null;
  readonly y: number | null;
  readonly z: number | null;
  /** Milliseconds on the clock of `performance.now()`. */
  readonly timestamp: number | null;
  start(): void;
  stop(): void;
};
type GenericSensorClass = new (options: {
  frequency: number;
  referenceFrame: string;
}) => GenericSensor;

/** Browsers give no more than 60 readings a second. */
const FREQUENCY_HZ = 60;

export type MotionEvents = {
  readonly reading: (reading: Reading) => void;
  /** Why there are none, for the person who holds the phone. */
  readonly problem: (text: string) => void;
};

/** Begins to listen; call it from a touch. Returns how to end it. */
export async function listenToMotion(events: MotionEvents): Promise<() => void> {
  if (!window.isSecureContext) {
    events.problem(
      "A browser gives a page the accelerometer over https or on this computer itself only.",
    );
    return () => undefined;
  }
  const Sensor = (window as unknown as { Accelerometer?: GenericSensorClass }).Accelerometer;
  if (Sensor !== undefined) {
    const stop = await startGeneric(Sensor, events.reading);
    if (stop !== undefined) return stop;
  }
  return startDeviceMotion(events);
}

/** Undefined where the sensor cannot be had in this way. */
function startGeneric(
  Sensor: GenericSensorClass,
  onReading: MotionEvents["reading"],
): Promise<(() => void) | undefined> {
  let sensor: GenericSensor;
  try {
    sensor = new Sensor({ frequency: FREQUENCY_HZ, referenceFrame: "device" });
  } catch {
    return Promise.resolve(undefined);
  }
  const tell = (): void => {
    const { x, y, z, timestamp } = sensor;
    if (x === null || y === null || z === null || timestamp === null) return;
    onReading({ timeMs: timestamp, acceleration: [x, y, z] });
  };
  return new Promise((resolve) => {
    sensor.addEventListener("activate", () => resolve(() => sensor.stop()), { once: true });
    sensor.addEventListener("error", () => resolve(undefined), { once: true });
    sensor.addEventListener("reading", tell);
    sensor.start();
  });
}

type AsksPermission = { requestPermission?: () => Promise<"granted" | "denied"> };

async function startDeviceMotion(events: MotionEvents): Promise<() => void> {
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

const SILENT_MS = 3_000;

/** Browsers of these hand on what iOS says; see `signOf`. iPads say that they are Macintoshes. */
export function platform(): "apple-mobile" | "other" {
  const { userAgent, maxTouchPoints } = navigator;
  const isPad = userAgent.includes("Macintosh") && maxTouchPoints > 1;
  return isPad || /iPhone|iPad|iPod/.test(userAgent) ? "apple-mobile" : "other";
}
