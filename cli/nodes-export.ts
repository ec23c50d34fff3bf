/**
 * `bellwether nodes export`: who is known, for a Mosquitto in place of the embedded broker.
 */

import path from "node:path";
import {
  GATEWAY_USER,
  mosquittoFiles,
  SPARKPLUG_USER,
} from "../gateway/access/mosquitto-export.ts";
import { keepSecret, makeSecret } from "../gateway/access/secrets.ts";
import { readConfig } from "../gateway/config/config.ts";
import { nodeDisk, readIfThere, writeDurably } from "../gateway/store/durable-file.ts";
import { EdgeError } from "../src/assert.ts";
import { topicBase } from "../src/wire/topics.ts";
import { withAccess } from "./access-data.ts";
import { type CommandInput, type CommandIo, EXIT } from "./command.ts";

/** What passwords are kept as is for nobody else either; the gateway's own is for the gateway. */
const SECRET_MODE = 0o600;

export async function exportNodes(input: CommandInput, io: CommandIo): Promise<number> {
  const folder = path.resolve(input.text("mosquitto") ?? "mosquitto");
  const identities = await withAccess(input, (store) => store.identities());
  // Or who joins under that name would be the gateway on that broker.
  const taken = identities.find(({ name }) => [GATEWAY_USER, SPARKPLUG_USER].includes(name));
  if (taken !== undefined) throw nameTaken(taken.name);
  nodeDisk.makeFolder(folder);
  const gateway = await gatewayPassword(path.join(folder, "gateway-password"));
  const { base: configured, sparkplug: edge } = readConfig(input.text("config"), process.env);
  const wanted = input.text("base");
  const base = wanted === undefined ? configured : topicBase(wanted, "--base");
  const sparkplugFile = path.join(folder, "sparkplug-password");
  const sparkplug = edge.enabled
    ? { edge, password: await gatewayPassword(sparkplugFile) }
    : undefined;
  const port = input.number("port") ?? 1883;
  const files = mosquittoFiles({ base, identities, gateway, sparkplug, folder, port });
  const write = (name: string, text: string, mode = 0o644): string => {
    const file = path.join(folder, name);
    writeDurably(nodeDisk, file, Buffer.from(text), mode);
    return file;
  };
  const written = [
    write("passwords", files.passwords, SECRET_MODE),
    write("acl", files.acl, SECRET_MODE),
    write("bellwether.conf", files.conf),
    path.join(folder, "gateway-password"),
    ...(edge.enabled ? [sparkplugFile] : []),
  ];
  if (io.json) io.printJson({ folder, files: written, identities: identities.length });
  else for (const file of written) io.print(file);
  io.note(
    "nodes: passwords and acl must be readable by mosquitto (chown mosquitto) and nobody else",
  );
  io.note(
    `nodes: the gateway connects as ${GATEWAY_USER}: broker.url mqtt://${GATEWAY_USER}@HOST, ` +
      `broker.password_file ${path.join(folder, "gateway-password")}`,
  );
  if (edge.enabled) {
    io.note(
      `nodes: as an edge node it connects as ${SPARKPLUG_USER}: sparkplug.url ` +
        `mqtt://${SPARKPLUG_USER}@HOST, sparkplug.password_file ${sparkplugFile}`,
    );
  }
  return EXIT.ok;
}

function nameTaken(name: string): EdgeError {
  return new EdgeError({
    code: "access-name-taken",
    message: `somebody is called ${name}, as the gateway itself is to be`,
    where: "nodes export",
    hint: `Revoke ${name} and take another name for it.`,
  });
}

/** What Mosquitto keeps of it; the password is the same at every export, so that a gateway that runs
 * need not be told. */
async function gatewayPassword(file: string): Promise<string> {
  const present = readIfThere(file);
  const password = present === undefined ? makeSecret() : Buffer.from(present).toString().trim();
  if (present === undefined) {
    writeDurably(nodeDisk, file, Buffer.from(`${password}\n`), SECRET_MODE);
  }
  return (await keepSecret(password, "made")).mosquitto;
}
