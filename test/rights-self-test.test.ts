/** The broker asked before it listens: that it starts, and that it does not start where it should not. */

import { describe, expect, it } from "vitest";
import { ACCESS_RULES, type AccessRules } from "../gateway/access/access.ts";
import { Authentication } from "../gateway/access/authentication.ts";
import { startBroker } from "../gateway/broker/broker.ts";
import { EdgeError } from "../src/assert.ts";
import { base } from "./gateway-kit.ts";

const quiet = { onMessage: () => undefined, onConnection: () => undefined, log: () => undefined };

async function startWith(
  rules: Partial<AccessRules>,
  authentication?: Authentication,
): Promise<EdgeError | "started"> {
  try {
    const link = await startBroker(
      {
        host: "127.0.0.1",
        port: 0,
        base,
        connectionsMax: 10,
        packetsPerSecond: 1_000,
        packetsBurst: 1_000,
        rules: { ...ACCESS_RULES, ...rules },
        ...(authentication !== undefined && { authentication }),
      },
      quiet,
    );
    await link.close();
    return "started";
  } catch (error) {
    if (error instanceof EdgeError) return error;
    throw error;
  }
}

describe("the rights' self-test", () => {
  it("lets a gateway start whose rights hold, and does not keep it waiting", async () => {
    const startMs = performance.now();
    expect(await startWith({})).toBe("started");
    const tookMs = performance.now() - startMs;
    console.info(`a broker with its self-test starts in ${tookMs.toFixed(0)} ms`);
    expect(tookMs).toBeLessThan(5_000);
  });

  it.each<[string, Partial<AccessRules>, RegExp]>([
    [
      "everybody may publish everything",
      { mayPublish: () => undefined },
      /node can publish on .*self-test-two.*reader can publish.*operator can publish/,
    ],
    [
      "nodes write each other's topics",
      {
        mayPublish: (of, who, publishing) =>
          who.role === "node" && publishing.topic.includes("/up/")
            ? undefined
            : ACCESS_RULES.mayPublish(of, who, publishing),
      },
      /node can publish on .*self-test-two\/up\/outcome/,
    ],
    [
      "everybody may subscribe to everything",
      { maySubscribe: () => undefined },
      /node can subscribe to #.*reader can subscribe to .*joining can subscribe to/,
    ],
    [
      "whoever hears everything hears everything",
      { mayHear: () => true },
      /a reader hears .*down\/verdict/,
    ],
    [
      "nobody may do anything, so that the test would see nothing",
      { mayPublish: () => "no" },
      /node cannot publish/,
    ],
    ["nobody hears anything", { mayHear: () => false }, /a reader does not hear/],
  ])("does not let it start where %s", async (_, rules, told) => {
    const refused = await startWith(rules);
    expect(refused).toMatchObject({ code: "rights-self-test" });
    expect((refused as EdgeError).message).toMatch(told);
  });

  it("does not let it start where strangers are let in", async () => {
    class Open extends Authentication {
      override claim(): ReturnType<Authentication["claim"]> {
        const principal = { role: "reader", user: "anybody" } as const;
        return { ok: true, principal, clientId: `anybody/${Math.random()}`, by: "nothing" };
      }
    }
    const open = new Open({ store: undefined, loopback: "anonymous", log: quiet.log });
    const refused = await startWith({}, open);
    expect((refused as EdgeError).message).toMatch(/stranger.*was let in.*unknown user was let in/);
  });
});
