/** Hands the page over to the worker that keeps it: see `phone-worker.ts`. */

/** Trusted Types (W3C), which the page's policy requires where a browser knows them. */
type TrustedTypes = {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): string };
};

const SCRIPT = "/node-worker.js";
const SCOPE = "/node";

/** Does nothing where there are no workers, as on a page that is not in a secure context. */
export async function registerWorker(): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  const { trustedTypes } = window as unknown as { trustedTypes?: TrustedTypes };
  const policy = trustedTypes?.createPolicy("phone-worker", { createScriptURL: () => SCRIPT });
  try {
    await navigator.serviceWorker.register(policy?.createScriptURL(SCRIPT) ?? SCRIPT, {
      scope: SCOPE,
    });
  } catch (error) {
    // Without it everything works while the gateway is in reach.
    console.info(`the page is not kept: ${error instanceof Error ? error.message : String(error)}`);
  }
}
