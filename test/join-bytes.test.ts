/** The bytes in the documentation make a node of a device that sends them. */

import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { expect, it } from "vitest";
import { AccessStore } from "../gateway/access/access-store.ts";
import { COST, hashSecret } from "../gateway/access/secrets.ts";
import { accessBroker, tryConnect } from "./access-kit.ts";
import { removeFolder, temporaryFolder, until } from "./gateway-kit.ts";

it("are answered with credentials that count", async () => {
  const folder = temporaryFolder();
  const broker = await accessBroker(folder);
  const documented = readFileSync("docs/FORMATS.md", "utf8");
  const block = /## Joining[\s\S]*?```\n([\s\S]*?)```/.exec(documented)?.[1] ?? "";
  const packets = new Map<string, number[]>();
  let name = "";
  for (const line of block.trimEnd().split("\n")) {
    const [, label = "", hex = ""] = /^([A-Z]*) +((?:[0-9a-f]{2} )+)/.exec(`${line} `) ?? [];
    name = label === "" ? name : label;
    const bytes = hex
      .trim()
      .split(" ")
      .map((byte) => Number.parseInt(byte, 16));
    packets.set(name, [...(packets.get(name) ?? []), ...bytes]);
  }
  const bytesOf = (packet: string): Buffer => Buffer.from(packets.get(packet) ?? []);
  const access = new AccessStore(folder);
  access.putCode({
    hash: await hashSecret("K7QM3XPA", access.codeSalt, COST.code),
    node: null,
    replaces: false,
    uses: 1,
    createdMs: Date.now(),
    expiresMs: Date.now() + 60_000,
  });
  access.close();
  const socket = createConnection(broker.port, "127.0.0.1");
  let heard = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    heard = Buffer.concat([heard, chunk]);
  });
  socket.write(bytesOf("CONNECT"));
  await until("CONNACK", () => heard.length >= 4);
  expect(heard).toEqual(bytesOf("CONNACK"));
  socket.write(bytesOf("SUBSCRIBE"));
  await until("SUBACK", () => heard.length >= 9);
  expect(heard.subarray(4)).toEqual(bytesOf("SUBACK"));
  socket.write(bytesOf("PUBLISH"));
  await until("the answer", () => heard.toString("latin1").endsWith("}"));
  const text = heard.toString("latin1");
  // As a device without a parser of JSON would do it.
  const between = (before: string): string => text.split(before)[1]?.split('"')[0] ?? "";
  expect(between('"status":"')).toBe("ok");
  const node = between('"node":"');
  expect(node).toBe("collar-7");
  socket.destroy();
  const client = await tryConnect(broker.url, {
    clientId: node,
    username: node,
    password: between('"password":"'),
  });
  await client.endAsync();
  await broker.close();
  removeFolder(folder);
});
