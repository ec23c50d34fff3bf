/**
 * What radios take, and the timings of their protocols: each constant with its source and how far to
 * trust it. Status words as in `src/cost/targets.ts`; nothing here was measured by this project.
 */

import { assumed, type Constant, datasheet, derived, published } from "../cost/targets.ts";

/** Energies of a link are no better than this, on top of what a given site does to a radio: a bad
 * place makes it repeat, and no repetition is in these figures. */
export const LINK_UNCERTAINTY = 0.3;

const NORDIC = "Nordic nRF52840 Product Specification, Current consumption, Compounded";
const CORE = "Bluetooth Core Specification 5.4, Vol 6 Part B";

export const BLE = {
  supplyVolt: assumed(3, "V", "a lithium cell behind the DC/DC regulator"),
  transmitMilliampere: datasheet(8.1, "mA", `${NORDIC}: IS0, CPU and radio at 0 dBm, DC/DC`),
  receiveMilliampere: datasheet(8.6, "mA", `${NORDIC}: IS1, CPU and radio receiving, DC/DC`),
  processorMilliampere: derived(3.3, "mA", `${NORDIC}: IS0 less the radio's 4.8 mA`),
  sleepMilliampere: assumed(
    0.003,
    "mA",
    "System ON, all RAM retained, RTC; 1.5 uA with little RAM",
  ),
  byteUs: datasheet(8, "us", `${CORE} 2.1: LE 1M, one bit a microsecond`),
  packetBytes: datasheet(10, "bytes", `${CORE} 2.1: preamble 1, access address 4, header 2, CRC 3`),
  micBytes: datasheet(4, "bytes", `${CORE} 2.4: the MIC of an encrypted, non-empty packet`),
  payloadBytesMax: datasheet(
    247,
    "bytes",
    `${CORE} 4.5.10: 251 with data length extension, less MIC`,
  ),
  attributeBytes: datasheet(7, "bytes", "Bluetooth Core, Vol 3: L2CAP header 4, notification 3"),
  interframeUs: datasheet(150, "us", `${CORE} 4.1: T_IFS`),
  rampUs: datasheet(130, "us", "Nordic nRF52840 Product Specification, RADIO: ramp-up, default"),
  wideningUs: derived(
    160,
    "us",
    `${CORE} 4.2.4: two clocks of 20 ppm over four seconds, each side`,
  ),
  eventProcessorUs: assumed(800, "us", "crystal start, scheduling and encryption of one event"),
  intervalMs: assumed(1000, "ms", "connection interval of a device in no hurry; at most 4,000"),
  latencyEvents: assumed(3, "events", "connection events that a silent peripheral may sleep over"),
} as const satisfies Readonly<Record<string, Constant>>;

const IDF = "Espressif ESP-IDF, Low Power Mode in Wi-Fi Scenarios, ESP32-C3";

export const WIFI = {
  supplyVolt: datasheet(3.3, "V", "Espressif ESP32-C3 Series Datasheet, typical"),
  transmitMilliampere: assumed(
    285,
    "mA",
    "of an ESP32-class radio at 802.11n rates; from memory, not read in the data sheet",
  ),
  receiveMilliampere: assumed(84, "mA", "as above: 84 to 95 mA"),
  associatedMilliampere: published(0.62, "mA", `${IDF}: connected, automatic light sleep, DTIM 3`),
  lightSleepMilliampere: published(
    0.35,
    "mA",
    "R. Dobson, Investigating ESP32-C3 Power Management (2023): light sleep, radios off",
  ),
  reconnectMillijoule: published(
    543,
    "mJ",
    "glenn20, upy-esp32-experiments: wake, static address, MQTT publish: 774 ms, 108.6 mC at 5 V " +
      "(an ESP32 board under MicroPython)",
  ),
  reconnectMs: published(774, "ms", "the same"),
  awakeMs: assumed(20, "ms", "receiver on for the acknowledgements of one message"),
  megabitPerSecond: assumed(
    6,
    "Mbit/s",
    "lowest rate of 802.11g: a device at the edge of the yard",
  ),
  preambleUs: datasheet(20, "us", "IEEE 802.11, clause 17: preamble and SIGNAL"),
  macBytes: datasheet(38, "bytes", "IEEE 802.11: QoS data header 26, LLC 8, FCS 4"),
  internetBytes: datasheet(40, "bytes", "RFC 791 and RFC 9293: IPv4 20, TCP 20"),
  secureBytes: datasheet(22, "bytes", "RFC 8446 section 5: TLS 1.3 record: 5, type 1, tag 16"),
  publishBytes: derived(46, "bytes", "MQTT 3.1.1 PUBLISH: 7, and our topic of some 39"),
  segmentBytes: datasheet(1460, "bytes", "Ethernet's 1,500 less IPv4 and TCP"),
  beaconMs: assumed(307, "ms", "DTIM 3 of 102.4 ms: how long a message to the node waits at most"),
} as const satisfies Readonly<Record<string, Constant>>;

const SX1261 = "Semtech SX1261/2 data sheet";
const RP002 = "LoRa Alliance RP002-1.0.5, EU863-870";

export const LORA = {
  supplyVolt: assumed(3, "V", "a lithium cell; the data sheet's currents are at 3.3 V"),
  transmitMilliampere: assumed(
    25.5,
    "mA",
    `${SX1261}: SX1261 at +14 dBm, DC/DC; from memory, second-hand figures are 24 to 28 mA`,
  ),
  receiveMilliampere: published(
    4.6,
    "mA",
    `${SX1261}: receiving LoRa, DC/DC, 4.2 to 5.3 mA by gain`,
  ),
  standbyMilliampere: published(1.6, "mA", `${SX1261} by sheetsdata.com: standby`),
  sleepMilliampere: published(0.0006, "mA", `${SX1261} by sheetsdata.com: sleep, warm start`),
  processorMilliampere: assumed(1, "mA", "the processor mostly sleeps while the radio sends"),
  wakeMs: assumed(3.5, "ms", "Mbed OS, SX126X SleepMode.txt: cold start; standby current"),
  preambleSymbols: datasheet(8, "symbols", `${RP002}: preamble length`),
  headerBytes: datasheet(
    13,
    "bytes",
    "LoRaWAN 1.0.4: MHDR 1, DevAddr 4, FCtrl 1, FCnt 2, FPort 1, MIC 4",
  ),
  receiveDelay1Ms: datasheet(1000, "ms", `${RP002}: RECEIVE_DELAY1`),
  receiveDelay2Ms: datasheet(2000, "ms", `${RP002}: RECEIVE_DELAY2`),
  windowSymbols: assumed(8, "symbols", "an empty receive window: preamble, and the clocks' error"),
  dutyCycle: datasheet(0.01, "of time", "ETSI EN 300 220-2: 868.0 to 868.6 MHz, 25 mW"),
} as const satisfies Readonly<Record<string, Constant>>;
