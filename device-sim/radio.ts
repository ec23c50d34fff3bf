/**
 * A simulated radio between a node and its network: performs what `src/link/link-step.ts` decides.
 *
 * It stands around any other link, so that the node program and the broker know nothing of it. It
 * has no timer: whoever owns it lets time pass with `tick`.
 */

import type { LinkProfile } from "../src/link/link-profile.ts";
import {
  createLinkState,
  type LinkEvent,
  type LinkState,
  type Refusal,
  stepLink,
} from "../src/link/link-step.ts";
import type { DownKind, UpKind } from "../src/wire/messages.ts";
import type { Link, LinkEvents, OpenLink } from "./link.ts";

export type RadioListener = {
  spent(microjoules: number): void;
  refused?(topic: UpKind | DownKind, reason: Refusal): void;
};

export class Radio {
  readonly state: LinkState;
  readonly #nowMs: () => number;
  readonly #listener: RadioListener;
  #inner: Link | undefined;
  #events: LinkEvents | undefined;

  constructor(profile: LinkProfile, nowMs: () => number, listener: RadioListener) {
    this.state = createLinkState(profile);
    this.#nowMs = nowMs;
    this.#listener = listener;
  }

  /** The same network, heard and spoken to through this radio. */
  around(open: OpenLink): OpenLink {
    return (node, events) => {
      this.#events = events;
      const inner = open(node, {
        ...events,
        disconnected: (reason) => {
          this.#happen({ kind: "lost" });
          events.disconnected(reason);
        },
        message: (topic, frame) => this.#happen({ kind: "told", topic, frame }),
      });
      this.#inner = inner;
      return {
        publish: (topic, frame) => this.#happen({ kind: "send", topic, frame }),
        close: () => inner.close(),
      };
    };
  }

  tick(): void {
    this.#happen({ kind: "tick" });
  }

  #happen(event: LinkEvent): void {
    for (const effect of stepLink(this.state, event, this.#nowMs())) {
      switch (effect.kind) {
        case "up":
          this.#inner?.publish(effect.topic, effect.frame);
          break;
        case "down":
          this.#events?.message(effect.topic, effect.frame);
          break;
        case "spent":
          this.#listener.spent(effect.microjoules);
          break;
        case "refused":
          this.#listener.refused?.(effect.topic, effect.reason);
          break;
      }
    }
  }
}
