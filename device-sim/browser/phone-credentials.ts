/** What a phone was given when it joined, kept in its own storage. */

import { type PhoneCredentials, PhoneCredentialsSchema } from "../../src/wire/phone.ts";
import type { IndexedStorage } from "./indexed-storage.ts";

const NAME = "credentials";

/** Undefined where this phone has never joined, or what it keeps makes no sense any more. */
export async function readCredentials(
  storage: IndexedStorage,
): Promise<PhoneCredentials | undefined> {
  const parsed = PhoneCredentialsSchema.safeParse(await storage.kept(NAME));
  return parsed.success ? parsed.data : undefined;
}

export function keepCredentials(
  storage: IndexedStorage,
  credentials: PhoneCredentials,
): Promise<void> {
  return storage.keep(NAME, credentials);
}
