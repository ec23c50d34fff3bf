/**
 * How long a LoRa packet is on the air.
 *
 * Semtech AN1200.13 (LoRa Modem Designer's Guide) and the SX1276 data sheet, section 4.1.1.7:
 *
 *     Tsym      = 2^SF / BW
 *     Tpreamble = (symbols + 4.25) Tsym
 *     symbols   = 8 + max(ceil((8 PL - 4 SF + 28 + 16 CRC - 20 IH) / (4 (SF - 2 DE))) (CR + 4), 0)
 *
 * DE, the low data rate optimisation, is on where a symbol lasts longer than 16 ms.
 */

import { assert } from "../assert.ts";

export type LoraPacket = {
  /** 7 to 12. */
  readonly spreadingFactor: number;
  readonly bandwidthHz: number;
  /** Bytes between preamble and CRC: with all of LoRaWAN's headers. */
  readonly payloadBytes: number;
  readonly preambleSymbols: number;
  /** 1 to 4 for 4/5 to 4/8. */
  readonly codingRate: number;
  /** Uplinks have one, downlinks of LoRaWAN have none. */
  readonly crc: boolean;
};

const LONG_SYMBOL_MS = 16;

export function symbolMs(spreadingFactor: number, bandwidthHz: number): number {
  return (2 ** spreadingFactor * 1000) / bandwidthHz;
}

/** With an explicit header, as LoRaWAN always sends one. */
export function airtimeMs(packet: LoraPacket): number {
  const { spreadingFactor, bandwidthHz, payloadBytes, codingRate } = packet;
  assert(spreadingFactor >= 7 && spreadingFactor <= 12, "a spreading factor of 7 to 12");
  assert(codingRate >= 1 && codingRate <= 4, "a coding rate of 4/5 to 4/8");
  const symbol = symbolMs(spreadingFactor, bandwidthHz);
  const optimised = symbol > LONG_SYMBOL_MS ? 1 : 0;
  const bits = 8 * payloadBytes - 4 * spreadingFactor + 28 + (packet.crc ? 16 : 0);
  const blocks = Math.ceil(bits / (4 * (spreadingFactor - 2 * optimised)));
  const payloadSymbols = 8 + Math.max(blocks * (codingRate + 4), 0);
  return (packet.preambleSymbols + 4.25 + payloadSymbols) * symbol;
}
