/** The addresses of this machine, as its own system knows them. */

import { networkInterfaces } from "node:os";

/** @param which without the loopback's: what others reach it by, IPv4 first */
export function ownAddresses(which: "all" | "reachable"): string[] {
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    // Link-local addresses mean something only together with an interface.
    .filter(({ address }) => !address.startsWith("fe80:"));
  if (which === "all") return found.map(({ address }) => address);
  const outside = found.filter(({ internal }) => !internal);
  const of = (family: string): string[] =>
    outside.filter((one) => one.family === family).map(({ address }) => address);
  return [...of("IPv4"), ...of("IPv6")];
}
