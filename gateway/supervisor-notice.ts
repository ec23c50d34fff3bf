/**
 * What a gateway tells systemd: that it is ready, that it is alive, that it ends (sd_notify(3)).
 *
 * The socket is a unix datagram socket, which Node does not have; systemd's own `systemd-notify` is
 * started for each message, some milliseconds twice a minute. Without NOTIFY_SOCKET nothing is said.
 */

import { execFile } from "node:child_process";
import type { Log } from "./broker/link.ts";

export type Supervisor = {
  /** From now on it listens, and its event loop is watched where systemd asks for that. */
  readonly ready: (status: string) => Promise<void>;
  readonly stopping: () => Promise<void>;
};

const NOTIFY_MS = 5_000;
/** sd_watchdog_enabled(3) recommends half of the time; a third survives one that is lost. */
const WATCHDOG_SHARE = 3;

/** @param environment NOTIFY_SOCKET and WATCHDOG_USEC as systemd sets them */
export function supervisor(
  environment: Readonly<Record<string, string | undefined>>,
  log: Log,
): Supervisor {
  if (environment.NOTIFY_SOCKET === undefined) {
    return { ready: () => Promise.resolve(), stopping: () => Promise.resolve() };
  }
  const watchdogMs = Number(environment.WATCHDOG_USEC ?? 0) / 1000;
  let watching: NodeJS.Timeout | undefined;
  return {
    ready: async (status) => {
      await tell(["READY=1", `STATUS=${status}`], log);
      if (!(watchdogMs > 0)) return;
      // A timer of the event loop: what hangs there keeps it from firing, and systemd acts.
      watching = setInterval(() => void tell(["WATCHDOG=1"], log), watchdogMs / WATCHDOG_SHARE);
      watching.unref();
    },
    stopping: async () => {
      clearInterval(watching);
      await tell(["STOPPING=1"], log);
    },
  };
}

function tell(words: readonly string[], log: Log): Promise<void> {
  return new Promise((resolve) => {
    execFile("systemd-notify", words, { timeout: NOTIFY_MS }, (error) => {
      // Without it systemd will end a gateway that works: worth an error each time.
      if (error) log("error", "systemd was not told", { reason: error.message });
      resolve();
    });
  });
}
