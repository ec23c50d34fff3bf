/**
 * The processors that a student's cost is estimated for, each constant with its source and how far to
 * trust it.
 *
 * `datasheet`: stands in the maker's document. `published`: somebody else measured it and says how.
 * `derived`: follows from such figures. `assumed`: a guess that the reader should replace. Nothing
 * here was measured by this project: it has run on none of these.
 */

export type Status = "datasheet" | "published" | "derived" | "assumed";

export type Constant = {
  readonly value: number;
  readonly unit: string;
  readonly status: Status;
  readonly source: string;
};

export type InstructionSet = "cortex-m4" | "rv32imc" | "aarch64";

export type Target = {
  readonly name: string;
  readonly processor: string;
  readonly instructionSet: InstructionSet;
  readonly clockMhz: Constant;
  /** With instructions and data at once at hand. */
  readonly cyclesPerInstruction: Constant;
  /** Factor on the cycles for waiting on flash. */
  readonly waitFactor: Constant;
  readonly supplyVolt: Constant;
  /** The processor at work; on a Raspberry Pi what one busy core adds. */
  readonly currentMilliampere: Constant;
  readonly ramBytes: Constant;
  readonly flashBytes: Constant;
  /** Of times and energies, as a share: the constants together are no better than this. */
  readonly uncertainty: number;
};

export const TARGET_NAMES = ["nrf52840", "stm32l4", "esp32c3", "pi4"] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

const M4_CYCLES = derived(
  1.2,
  "cycles",
  "instruction traces of a CNN in QEMU with the Cortex-M4 manual's timing (load +1 unless paired, " +
    "taken branch +2): 674 k cycles for 563 k instructions, no wait states",
);

const KIB = 1024;

export const TARGETS: Readonly<Record<TargetName, Target>> = {
  nrf52840: {
    name: "nRF52840",
    processor: "Cortex-M4F",
    instructionSet: "cortex-m4",
    clockMhz: datasheet(64, "MHz", "Nordic nRF52840 Product Specification, CPU"),
    cyclesPerInstruction: M4_CYCLES,
    waitFactor: assumed(1.15, "x", "flash with its cache on; +10 to +30 % is usual"),
    supplyVolt: assumed(3, "V", "a lithium cell behind the DC/DC regulator"),
    currentMilliampere: derived(
      3.3,
      "mA",
      "Nordic nRF52840 Product Specification, compounded: CPU and radio at 0 dBm 8.1 mA (IS0, " +
        "DC/DC, 3 V) less the radio's 4.8 mA",
    ),
    ramBytes: datasheet(256 * KIB, "bytes", "Nordic nRF52840 Product Specification, Memory"),
    flashBytes: datasheet(1024 * KIB, "bytes", "Nordic nRF52840 Product Specification, Memory"),
    uncertainty: 0.3,
  },
  stm32l4: {
    name: "STM32L4R5",
    processor: "Cortex-M4F",
    instructionSet: "cortex-m4",
    clockMhz: datasheet(120, "MHz", "ST DS12023, STM32L4R5xx"),
    cyclesPerInstruction: M4_CYCLES,
    waitFactor: assumed(1.1, "x", "flash behind the ART accelerator"),
    supplyVolt: published(1.8, "V", "MLPerf Tiny v1.1, NUCLEO-L4R5ZI, energy mode"),
    currentMilliampere: derived(
      25,
      "mA",
      "MLPerf Tiny v1.1, NUCLEO-L4R5ZI, keyword spotting: 2,833 uJ at 15.88 inferences a second " +
        "are 45.0 mW at 1.8 V, an int8 network at 120 MHz",
    ),
    ramBytes: datasheet(640 * KIB, "bytes", "ST DS12023, STM32L4R5xx"),
    flashBytes: datasheet(2048 * KIB, "bytes", "ST DS12023, STM32L4R5xx"),
    uncertainty: 0.3,
  },
  esp32c3: {
    name: "ESP32-C3",
    processor: "RV32IMC",
    instructionSet: "rv32imc",
    clockMhz: datasheet(160, "MHz", "Espressif ESP32-C3 Series Datasheet"),
    cyclesPerInstruction: assumed(
      1.3,
      "cycles",
      "a four-stage pipeline, loads and branches above 1",
    ),
    waitFactor: assumed(1.15, "x", "code and weights in external flash behind a 16 KB cache"),
    supplyVolt: datasheet(3.3, "V", "Espressif ESP32-C3 Series Datasheet, typical"),
    currentMilliampere: published(
      26.8,
      "mA",
      "R. Dobson, Investigating ESP32-C3 Power Management (2023): radios off, busy at 160 MHz",
    ),
    ramBytes: datasheet(400 * KIB, "bytes", "Espressif ESP32-C3 Series Datasheet, SRAM"),
    flashBytes: datasheet(4096 * KIB, "bytes", "ESP32-C3FH4, flash in the package"),
    uncertainty: 0.3,
  },
  pi4: {
    name: "Raspberry Pi 4",
    processor: "Cortex-A72",
    instructionSet: "aarch64",
    clockMhz: datasheet(1500, "MHz", "Raspberry Pi 4 Model B, product brief"),
    cyclesPerInstruction: assumed(0.7, "cycles", "three-wide out of order; no count was taken"),
    waitFactor: assumed(1, "x", "all of it in the caches"),
    supplyVolt: datasheet(5.1, "V", "Raspberry Pi 4 Model B, product brief"),
    currentMilliampere: assumed(
      125,
      "mA",
      "about 5 W with four busy cores and 2.5 W idle, as people report: .63 W a core",
    ),
    ramBytes: datasheet(1024 * KIB * KIB, "bytes", "Raspberry Pi 4 Model B, smallest"),
    flashBytes: assumed(8 * 1024 * KIB * KIB, "bytes", "an 8 GB card"),
    // A core out of order does as it likes with a count of instructions.
    uncertainty: 0.5,
  },
};

export function datasheet(value: number, unit: string, source: string): Constant {
  return { value, unit, status: "datasheet", source };
}

export function published(value: number, unit: string, source: string): Constant {
  return { value, unit, status: "published", source };
}

export function assumed(value: number, unit: string, source: string): Constant {
  return { value, unit, status: "assumed", source };
}

export function derived(value: number, unit: string, source: string): Constant {
  return { value, unit, status: "derived", source };
}
