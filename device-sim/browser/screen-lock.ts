/**
 * Keeps the screen on where that is wanted and can be had (W3C Screen Wake Lock): a browser gives a
 * page no readings while its screen is off. The lock is gone whenever the page is hidden, and asked
 * for again when it is seen.
 */

export type ScreenLock = { readonly want: (wanted: boolean) => void };

/** @param tell what a person is told of it */
export function keepAwake(tell: (text: string) => void): ScreenLock {
  let isWanted = false;
  let held: WakeLockSentinel | undefined;
  const follow = async (): Promise<void> => {
    if (!isWanted) {
      await held?.release();
      held = undefined;
      return tell("may go off; then nothing is measured");
    }
    if (held !== undefined && !held.released) return;
    if (document.visibilityState !== "visible") return;
    if (!("wakeLock" in navigator)) {
      return tell("this browser cannot keep it on: set the phone so that it stays on");
    }
    try {
      held = await navigator.wakeLock.request("screen");
      tell("is kept on");
    } catch {
      tell("the phone does not keep it on (is it saving power?)");
    }
  };
  document.addEventListener("visibilitychange", () => void follow());
  tell("may go off; then nothing is measured");
  return {
    want: (wanted) => {
      isWanted = wanted;
      void follow();
    },
  };
}
