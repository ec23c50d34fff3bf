/** The link by which a phone joins a gateway: for a person, or for a picture that a phone reads. */

import { readConfig } from "../gateway/config/config.ts";
import { phoneOrigin } from "../gateway/http/phone-origin.ts";
import { phoneLink } from "../src/wire/phone.ts";
import type { CommandInput } from "./command.ts";
import { ownAddresses } from "./own-addresses.ts";

/** Null where `--config` does not say that phones can come. Throws `EdgeError` of `readConfig`. */
export function linkForPhone(
  input: CommandInput,
  code: string,
  node: string | undefined,
): string | null {
  const file = input.text("config");
  if (file === undefined) return null;
  const origin = phoneOrigin(readConfig(file, process.env), ownAddresses("reachable"));
  return origin === undefined ? null : phoneLink(origin, code, node);
}
