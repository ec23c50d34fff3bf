/** What tests do to a node's update in C, again and again: connect, install, show windows. */

import { decodeContainer } from "../src/model/container.ts";
import { prng } from "../src/prng.ts";
import type { UpMessage } from "../src/wire/messages.ts";
import { type HostStatus, UpdateHost } from "./firmware-update-host.ts";
import { type SignedRelease, sampleContainer } from "./node-world.ts";

export const FACTORY = sampleContainer(1);

/** A window of an animal that moves more the higher its number. */
export function windowOf(container: Uint8Array, number: number): Int8Array {
  const { windowSamples, channels } = decodeContainer(container).student;
  const random = prng(number, "windows");
  return Int8Array.from(
    { length: windowSamples * channels },
    () => (random.uint32() >> (25 + (number % 3))) - 30 * (number % 4),
  );
}

export function showWindows(host: UpdateHost, container: Uint8Array, count: number): void {
  for (let number = 0; number < count; number++) host.window(windowOf(container, number));
}

export const outcomes = (sent: readonly UpMessage[]): string[] =>
  sent.flatMap((message) =>
    message.kind === "outcome" ? [`${message.releaseSequence} ${message.outcome}`] : [],
  );

export async function withHost(
  program: string,
  act: (host: UpdateHost) => Promise<void>,
): Promise<void> {
  const host = new UpdateHost(program);
  try {
    await act(host);
  } finally {
    await host.close();
  }
}

/** Offers, delivers and lets the trial succeed; what was told on the way. */
export async function install(host: UpdateHost, release: SignedRelease): Promise<HostStatus> {
  host.offer(release);
  host.chunksOf(release);
  host.step();
  showWindows(host, release.container, 8);
  host.heard(0xffff_ffff);
  host.step();
  return host.status();
}

export async function connected(
  host: UpdateHost,
  factory: Uint8Array = FACTORY,
): Promise<HostStatus> {
  host.make(factory);
  host.boot();
  host.connect();
  return host.status();
}
