/** What releases are checked with where there is no `node:crypto`. */

import type { Crypto } from "../../src/wire/release.ts";
import { verifyEd25519 } from "./ed25519.ts";
import { sha256 } from "./sha2.ts";

export const pageCrypto: Crypto = { sha256, verify: verifyEd25519 };
