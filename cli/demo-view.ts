/**
 * The demonstration on the screen: the table of `watch`, and below it how often the herd is right.
 *
 * Without a terminal it writes plain lines: each node's first behaviour, the gateway's diary, and
 * the score every few seconds.
 */

import type { Fleet, Truth } from "../device-sim/fleet.ts";
import {
  BRIDGE_TOPICS,
  bridgeTopic,
  everyNodeFilter,
  NODE_TOPICS,
  parsePublicTopic,
  type TopicBase,
} from "../src/wire/topics.ts";
import type { CommandIo } from "./command.ts";
import { readMqtt } from "./mqtt-client.ts";
import { startScreen } from "./watch.ts";
import { applyMessage, createView } from "./watch-view.ts";

/** Answers that "lately" means, per group of collars. */
const LATELY = 240;
const SCORE_MS = 5_000;

/** How often collars are right lately, those that turn and the others apart. */
export class DemoScore {
  /** So many of the first collars turn. */
  readonly turning: number;
  readonly #groups = { turning: new Recent(), others: new Recent() };
  #windows = 0;
  #offloads = 0;

  constructor(turning: number) {
    this.turning = turning;
  }

  take({ node, decided, truth }: Truth): void {
    this.#windows += 1;
    if (decided.offload !== null) this.#offloads += 1;
    if (truth === undefined) return;
    const number = Number(node.slice(node.lastIndexOf("-") + 1));
    const group = number <= this.turning ? this.#groups.turning : this.#groups.others;
    group.add(truth === decided.classIndex);
  }

  json() {
    return {
      windows: this.#windows,
      offloadRatio: this.#windows === 0 ? 0 : this.#offloads / this.#windows,
      turningAccuracy: this.#groups.turning.share,
      othersAccuracy: this.#groups.others.share,
    };
  }

  line(): string {
    const { windows, offloadRatio, turningAccuracy, othersAccuracy } = this.json();
    const percent = (share: number | null): string =>
      share === null ? "-" : `${(100 * share).toFixed(0)} %`;
    return (
      `students right lately: ${percent(turningAccuracy)} on the collars that turn, ` +
      `${percent(othersAccuracy)} on the others; ${windows} windows, ` +
      `${(100 * offloadRatio).toFixed(1)} % offloaded`
    );
  }
}

class Recent {
  readonly #answers: boolean[] = [];

  add(right: boolean): void {
    this.#answers.push(right);
    if (this.#answers.length > LATELY) this.#answers.shift();
  }

  get share(): number | null {
    const { length } = this.#answers;
    return length === 0 ? null : this.#answers.filter(Boolean).length / length;
  }
}

/** Shows the herd until Ctrl-C or the end of the time. */
export async function showDemo(demo: {
  readonly url: string;
  readonly base: TopicBase;
  readonly score: DemoScore;
  readonly fleet: Fleet;
  readonly seconds: number | undefined;
  readonly io: CommandIo;
}): Promise<void> {
  const { url, base, score, fleet, seconds, io } = demo;
  const view = createView(base);
  const startMs = performance.now();
  const met = new Set<string>();
  const say = (text: string): void => {
    const since = ((performance.now() - startMs) / 1000).toFixed(1);
    if (!io.json && !io.interactive) io.print(`${since.padStart(6)} s  ${text}`);
  };
  const reader = readMqtt({
    url,
    filters: [
      ...NODE_TOPICS.map((name) => everyNodeFilter(base, name)),
      ...BRIDGE_TOPICS.map((name) => bridgeTopic(base, name)),
    ],
    onMessage: (topic, payload) => {
      const happening = applyMessage(view, topic, payload);
      const place = parsePublicTopic(base, topic);
      if (happening === undefined || place === undefined) return;
      if (place.plane === "bridge") say(happening.line);
      else if (place.name === "behaviour" && !met.has(place.node)) {
        met.add(place.node);
        say(`${topic}: ${happening.line}`);
      }
    },
    onState: () => undefined,
  });
  const hint = `mosquitto_sub -p ${new URL(url).port} -v -t '${base}/+/behaviour'`;
  say(`read along with: ${hint}`);
  const screen = io.interactive
    ? startScreen(view, io, () => `${statusLine(fleet, score)}   ${hint}   Ctrl-C ends`)
    : undefined;
  const timer = setInterval(() => say(statusLine(fleet, score)), SCORE_MS);
  await ended(io.signal, seconds);
  clearInterval(timer);
  screen?.stop();
  await reader.close();
}

function statusLine(fleet: Fleet, score: DemoScore): string {
  return `${Math.round(fleet.status().simulatedSeconds)} s simulated, ${score.line()}`;
}

function ended(signal: AbortSignal, seconds: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = seconds === undefined ? undefined : setTimeout(resolve, seconds * 1000);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}
