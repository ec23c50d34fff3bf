/**
 * The forms in which a window can travel in few bytes, and what a gateway makes of each.
 *
 * Fewer samples are one for each of equal spans of time: its mean, rounded to an int8 step, or the
 * sample in its middle, which folds fast movement into slow but keeps how strong it was. The gateway
 * draws straight lines through the spans' middles, and its teacher, which was trained on whole
 * windows, is told nothing. Headers do not count.
 */
import type { Profile } from "../src/signal/profile.ts";
import {
  type CompandedBits,
  compandedBytes,
  decodeCompanded,
  encodeCompanded,
} from "../src/wire/companded.ts";
import type { WindowEncoding } from "../src/wire/messages.ts";

export const BUDGETS_BYTES = [12, 24, 40, 51, 96, 192, 384] as const;

export type Reduction = "none" | "means" | "middles";

export type PayloadForm = {
  readonly encoding: WindowEncoding;
  readonly reduction: Reduction;
  /** Samples a channel. */
  readonly samples: number;
  readonly bytes: number;
};

/** The whole window in each encoding, and for each budget as many samples as it holds. */
export function payloadForms({ windowSamples, channels }: Profile): readonly PayloadForm[] {
  const forms = (["int8", "companded4"] as const).flatMap((encoding) => {
    const form = (reduction: Reduction, samples: number): PayloadForm => {
      const bytes = encoding === "int8" ? samples * channels : compandedBytes(samples, channels);
      return { encoding, reduction, samples, bytes };
    };
    const whole = form("none", windowSamples);
    const reduced = BUDGETS_BYTES.filter((budget) => budget < whole.bytes).flatMap((budget) => {
      let samples = windowSamples;
      while (form("none", samples).bytes > budget) samples--;
      return samples > 0 ? [form("means", samples), form("middles", samples)] : [];
    });
    return [whole, ...reduced];
  });
  return forms.sort((a, b) => b.bytes - a.bytes);
}

/** The window, int8 `[time][channel]`, as a gateway has it. */
export function throughPayload(
  window: Int8Array,
  { encoding, reduction, samples }: PayloadForm,
  channels: number,
): Int8Array {
  const full = window.length / channels;
  const sent =
    reduction === "none"
      ? window
      : (reduction === "means" ? spanMeans : spanMiddles)(window, samples, channels);
  const came =
    encoding === "int8"
      ? sent
      : decodeCompanded(encodeCompanded(sent, channels), samples, channels);
  return reduction === "none" ? came : throughMiddles(came, full, channels);
}

/** The most samples of which a window in this many bits a value takes at most so many bytes. */
export function spansWithin(
  { windowSamples, channels }: Profile,
  bits: CompandedBits,
  budget: number,
): { readonly samples: number; readonly bytes: number } {
  let samples = windowSamples;
  while (samples > 0 && compandedBytes(samples, channels, bits) > budget) samples--;
  return { samples, bytes: compandedBytes(samples, channels, bits) };
}

/** What comes of a window that travels as so many means in 4 or 2 bits a value, `[span][channel]`. */
export function reducedWindow(
  window: Int8Array,
  samples: number,
  bits: CompandedBits,
  channels: number,
): Int8Array {
  const whole = window.length / channels;
  const means = samples === whole ? window : spanMeans(window, samples, channels);
  return decodeCompanded(encodeCompanded(means, channels, bits), samples, channels, bits);
}

/** Means over `spans` equal spans; a sample on a border counts for both by its parts. */
function spanMeans(window: Int8Array, spans: number, channels: number): Int8Array {
  const perSpan = window.length / channels / spans;
  const means = new Int8Array(spans * channels);
  for (let span = 0; span < spans; span++) {
    const from = span * perSpan;
    const to = from + perSpan;
    for (let channel = 0; channel < channels; channel++) {
      let sum = 0;
      for (let t = Math.floor(from); t < to && t * channels < window.length; t++) {
        const part = Math.min(to, t + 1) - Math.max(from, t);
        sum += part * (window[t * channels + channel] as number);
      }
      means[span * channels + channel] = Math.round(sum / perSpan);
    }
  }
  return means;
}

function spanMiddles(window: Int8Array, spans: number, channels: number): Int8Array {
  const perSpan = window.length / channels / spans;
  return Int8Array.from({ length: spans * channels }, (_, i) => {
    const t = Math.floor((Math.floor(i / channels) + 0.5) * perSpan);
    return window[t * channels + (i % channels)] as number;
  });
}

function throughMiddles(means: Int8Array, samples: number, channels: number): Int8Array {
  const spans = means.length / channels;
  const window = new Int8Array(samples * channels);
  for (let t = 0; t < samples; t++) {
    const at = Math.max(0, Math.min(spans - 1, ((t + 0.5) * spans) / samples - 0.5));
    const left = Math.min(Math.floor(at), Math.max(0, spans - 2));
    const right = Math.min(left + 1, spans - 1);
    for (let channel = 0; channel < channels; channel++) {
      const a = means[left * channels + channel] as number;
      const b = means[right * channels + channel] as number;
      window[t * channels + channel] = Math.round(a + (at - left) * (b - a));
    }
  }
  return window;
}
