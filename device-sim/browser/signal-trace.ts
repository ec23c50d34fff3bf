/**
 * The last ten seconds of the signal as three lines on a canvas, and as a sentence for who does not
 * see it.
 */

import { AXES } from "../../src/signal/recordings.ts";

const SECONDS = 10;
/** The range shown grows by steps of a g, so that the lines do not dance. */
const LEAST_MILLIG = 1_500;
const STEP_MILLIG = 1_000;
const NAMES = ["x", "y", "z"] as const;
/** The sentence changes no faster than it can be read out. */
const SENTENCE_MS = 3_000;

export class SignalTrace {
  readonly #canvas: HTMLCanvasElement;
  readonly #rows: number;
  #samples: Int16Array = new Int16Array(0);
  #asked = false;
  #saidMs = Number.NEGATIVE_INFINITY;

  constructor(canvas: HTMLCanvasElement, rateHz: number) {
    this.#canvas = canvas;
    this.#rows = Math.ceil(SECONDS * rateHz);
  }

  /** `[time][axis]`, milli-g */
  take(millig: Int16Array): void {
    const both = new Int16Array(this.#samples.length + millig.length);
    both.set(this.#samples);
    both.set(millig, this.#samples.length);
    this.#samples = both.slice(-this.#rows * AXES);
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#draw();
      this.#say();
    });
  }

  #draw(): void {
    const canvas = this.#canvas;
    const pixels = window.devicePixelRatio;
    const width = Math.round(canvas.clientWidth * pixels);
    const height = Math.round(canvas.clientHeight * pixels);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const to = canvas.getContext("2d");
    if (to === null) return;
    const largest = this.#samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const steps = Math.max(0, Math.ceil((largest - LEAST_MILLIG) / STEP_MILLIG));
    const range = LEAST_MILLIG + steps * STEP_MILLIG;
    const style = getComputedStyle(document.documentElement);
    to.clearRect(0, 0, width, height);
    to.lineWidth = pixels;
    to.strokeStyle = style.getPropertyValue("--rule");
    to.beginPath();
    for (const level of [-1000, 0, 1000]) {
      const y = height / 2 - (level / range) * (height / 2);
      to.moveTo(0, y);
      to.lineTo(width, y);
    }
    to.stroke();
    to.lineWidth = 1.6 * pixels;
    const rows = this.#samples.length / AXES;
    for (let axis = 0; axis < AXES; axis++) {
      to.strokeStyle = style.getPropertyValue(`--${NAMES[axis]}`);
      to.beginPath();
      for (let row = 0; row < rows; row++) {
        const value = this.#samples[row * AXES + axis] as number;
        const x = ((this.#rows - rows + row) / (this.#rows - 1)) * width;
        to.lineTo(x, height / 2 - (value / range) * (height / 2));
      }
      to.stroke();
    }
  }

  #say(): void {
    const nowMs = performance.now();
    if (nowMs - this.#saidMs < SENTENCE_MS) return;
    this.#saidMs = nowMs;
    const last = this.#samples.subarray(-AXES);
    const values = NAMES.map((name, axis) => `${name} ${last[axis] ?? 0}`).join(", ");
    this.#canvas.setAttribute(
      "aria-label",
      `acceleration of the last ten seconds; now ${values} mg`,
    );
  }
}
