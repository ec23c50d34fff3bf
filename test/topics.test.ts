/** Topics and names: what is built is read back, and nothing else is read. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../src/wire/limits.ts";
import type { NodeId } from "../src/wire/messages.ts";
import {
  BRIDGE_TOPICS,
  bridgeTopic,
  DEFAULT_BASE,
  DOWN_KINDS,
  downFilter,
  downTopic,
  everyNodeFilter,
  isNodeId,
  modelId,
  modelIdBytes,
  modelIdOf,
  NODE_TOPICS,
  nodeId,
  nodeTopic,
  parseDownTopic,
  parsePublicTopic,
  parseUpTopic,
  topicBase,
  UP_KINDS,
  upFilter,
  upTopic,
} from "../src/wire/topics.ts";

const anyNode = fc
  .stringMatching(/^[a-z0-9][a-z0-9_-]{0,63}$/)
  .filter((text) => text !== "node" && text !== "bridge")
  .map((text) => nodeId(text));
const anyBase = fc
  .array(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,11}$/), { minLength: 1, maxLength: 3 })
  .map((levels) => topicBase(levels.join("/")));

/** MQTT's own matching of a filter with `+`, written anew from section 4.7 of the standard. */
function matches(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  return (
    wanted.length === levels.length &&
    wanted.every((level, i) => level === "+" || level === levels[i])
  );
}

describe("node ids", () => {
  it.each(["1217", "cow-7", "a", "x".repeat(64), "0_a"])("%s is one", (text) => {
    expect(nodeId(text)).toBe(text);
  });

  it.each([
    "",
    "x".repeat(65),
    "Cow",
    "cow 7",
    "cow/7",
    "+",
    "#",
    "$SYS",
    "-cow",
    "_cow",
    "__proto__",
    "kuh-ä",
    "cow\u0000",
    "cow\n",
    "../cow",
    "node",
    "bridge",
  ])("%j is none", (text) => {
    expect(isNodeId(text)).toBe(false);
    expect(() => nodeId(text, "--node")).toThrow(/--node.*not a node's name/);
  });
});

describe("model ids", () => {
  it("go to 8 bytes and back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 32 }), (hash) => {
        expect(modelIdBytes(modelIdOf(hash))).toEqual(hash.slice(0, 8));
      }),
    );
  });

  it.each(["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef0"])(
    "%j is none",
    (text) => {
      expect(() => modelId(text)).toThrow(/model-id/);
    },
  );
});

describe("bases", () => {
  it.each(["bellwether", "farm/north", "a/b/c", "x".repeat(40)])("%s is one", (text) => {
    expect(topicBase(text)).toBe(text);
  });

  it.each(["", "/farm", "farm/", "a//b", "a/b/c/d", "farm/+", "#", "$SYS", "x".repeat(41)])(
    "%j is none",
    (text) => {
      expect(() => topicBase(text, "mqtt.base")).toThrow(/mqtt\.base/);
    },
  );
});

describe("topics", () => {
  it("of both directions are read back, by nobody else, and match the filters", () => {
    fc.assert(
      fc.property(anyBase, anyNode, (base, node) => {
        for (const kind of UP_KINDS) {
          const topic = upTopic(base, node, kind);
          expect(parseUpTopic(base, topic)).toEqual({ node, kind });
          expect(parseDownTopic(base, topic)).toBeUndefined();
          expect(parsePublicTopic(base, topic)).toBeUndefined();
          expect(matches(upFilter(base), topic)).toBe(true);
        }
        for (const kind of DOWN_KINDS) {
          const topic = downTopic(base, node, kind);
          expect(parseDownTopic(base, topic)).toEqual({ node, kind });
          expect(parseUpTopic(base, topic)).toBeUndefined();
          expect(matches(downFilter(base, node), topic)).toBe(true);
        }
        for (const name of NODE_TOPICS) {
          const topic = nodeTopic(base, node, name);
          expect(parsePublicTopic(base, topic)).toEqual({ plane: "node", node, name });
          expect(matches(everyNodeFilter(base, name), topic)).toBe(true);
        }
        for (const name of BRIDGE_TOPICS) {
          expect(parsePublicTopic(base, bridgeTopic(base, name))).toEqual({
            plane: "bridge",
            name,
          });
        }
      }),
    );
  });

  it("never pass the limits that the broker's guard holds", () => {
    const base = topicBase("a/b/".padEnd(LIMITS.baseBytes, "c"));
    const node = nodeId("n".repeat(LIMITS.nodeIdBytes));
    for (const kind of DOWN_KINDS) {
      const topic = downTopic(base, node, kind);
      expect(topic.length).toBeLessThanOrEqual(LIMITS.topicBytes);
      expect(topic.split("/").length).toBeLessThanOrEqual(LIMITS.topicLevels);
    }
  });

  it.each([
    "bellwether/node/cow/up/hello/x",
    "bellwether/node/cow/up",
    "bellwether/node/cow/up/ack",
    "bellwether/node/Cow/up/hello",
    "bellwether/node//up/hello",
    "bellwether/node/+/up/hello",
    "bellwether/nodes/cow/up/hello",
    "bellwetherx/node/cow/up/hello",
    "other/node/cow/up/hello",
    "$SYS/node/cow/up/hello",
    "bellwether/bridge/nothing",
    "bellwether/node/state",
    "bellwether/bridge/behaviour",
    "bellwether/cow/behaviour/x",
    "bellwether/cow",
    "",
  ])("%j is nobody's", (topic) => {
    expect(parseUpTopic(DEFAULT_BASE, topic)).toBeUndefined();
    expect(parseDownTopic(DEFAULT_BASE, topic)).toBeUndefined();
    expect(parsePublicTopic(DEFAULT_BASE, topic)).toBeUndefined();
  });

  it("of a node called like a part of ours stay apart", () => {
    // A type assertion on purpose: `nodeId` refuses these.
    for (const name of ["node", "bridge"] as NodeId[]) {
      expect(parsePublicTopic(DEFAULT_BASE, nodeTopic(DEFAULT_BASE, name, "behaviour"))).toBe(
        undefined,
      );
    }
  });
});
