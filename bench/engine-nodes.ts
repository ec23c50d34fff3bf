/**
 * Windows per second of processor time over a herd: every node its own load of the student and its
 * own ring of samples, as a simulator of many collars has them, so that the figure has the caches
 * against it.
 */

import type { Engine } from "../src/engine/engine.ts";
import type { Container } from "../src/model/container.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { median } from "./benchmark.ts";

const PASSES = 5;

/** `windows` has at least one window; nodes begin with one of them, each at another place. */
export function windowsPerSecond(
  engine: Engine,
  container: Container,
  windows: WindowSet,
  nodes: number,
): number {
  const { windowSamples, channels } = container.student;
  const size = windowSamples * channels;
  const herd = Array.from({ length: nodes }, (_, n) => {
    const from = (n % windows.count) * size;
    return {
      loaded: engine.load(container),
      ring: windows.samples.slice(from, from + size),
      /** Where the oldest sample is. */
      oldest: (n % windowSamples) * channels,
    };
  });
  const window = new Int8Array(size);
  const passes = Array.from({ length: PASSES }, () => {
    const start = process.cpuUsage();
    for (const { loaded, ring, oldest } of herd) {
      window.set(ring.subarray(oldest));
      window.set(ring.subarray(0, oldest), size - oldest);
      loaded.begin(window);
      for (let exit = 0; exit < loaded.exits; exit++) loaded.nextExit();
    }
    const { user, system } = process.cpuUsage(start);
    return (nodes * 1e6) / (user + system);
  });
  return median(passes);
}
