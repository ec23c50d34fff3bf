/**
 * `bellwether nodes export`: who is known, for a Mosquitto in place of the embedded broker.
 */

import path from "node:path";
import { readConfig } from "../gateway/config.ts";
import { nodeDisk, readIfThere, writeDurably } from "../gateway/durable-file.ts";
import { GATEWAY_USER, mosquittoFiles } from "../gateway/mosquitto-export.ts";
import { keepSecret, makeSecret } from "../gateway/secrets.ts";
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
  if (identities.some(({ name }) => name === GATEWAY_USER)) throw nameTaken();
  nodeDisk.makeFolder(folder);
  const password = gatewayPassword(path.join(folder, "gateway-password"));
  const { mosquitto: gateway } = await keepSecret(password, "made");
  const port = input.number("port") ?? 1883;
  const files = mosquittoFiles({ base: baseOf(input), identities, gateway, folder, port });
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
  return EXIT.ok;
}

function nameTaken(): EdgeError {
  return new EdgeError({
    code: "access-name-taken",
    message: `somebody is called ${GATEWAY_USER}, as the gateway itself is to be`,
    where: "nodes export",
    hint: `Revoke ${GATEWAY_USER} and take another name for it.`,
  });
}

/** The same at every export, so that a gateway that runs need not be told. */
function gatewayPassword(file: string): string {
  const present = readIfThere(file);
  if (present !== undefined) return Buffer.from(present).toString().trim();
  const made = makeSecret();
  writeDurably(nodeDisk, file, Buffer.from(`${made}\n`), SECRET_MODE);
  return made;
}

function baseOf(input: CommandInput) {
  const base = input.text("base");
  if (base !== undefined) return topicBase(base, "--base");
  return readConfig(input.text("config"), process.env).base;
}
