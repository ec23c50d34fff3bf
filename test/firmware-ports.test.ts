/**
 * The ports' hardware layers against stubs of their SDKs: spelled right, and all of the layer there.
 * Whether the real SDKs agree is not shown, see `port-stubs.ts`.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  compile,
  FIRMWARE_FOLDER,
  findProgram,
  firmwareFiles,
  TARGETS,
} from "../deploy/firmware/tools/toolchain.ts";
import { BLOCK_OPTIONS, writeBlock } from "../deploy/firmware/tools/write-block.ts";
import { projectFiles, readText } from "./house-sources.ts";
import { PORT_STUBS } from "./port-stubs.ts";

const compiler = findProgram(TARGETS.host.compiler);
const lister = findProgram("nm");
const isThere = compiler !== undefined && lister !== undefined;
if (!isThere) console.warn("the ports are not compiled against stubs: no gcc or no nm");
const folder = mkdtempSync(join(tmpdir(), "bellwether-ports-"));
afterAll(() => rmSync(folder, { recursive: true }));

const FUNCTIONS = ["transmit", "receive", "clock", "sleep", "flash_write", "flash"];
const PORTS = Object.entries(PORT_STUBS);

describe("ports of the hardware layer", () => {
  it.skipIf(!isThere).each(PORTS)("%s compiles against stubs and has all of it", (name, port) => {
    for (const [path, text] of Object.entries(port.headers)) {
      const file = join(folder, name, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${text}\n`);
    }
    const object = join(folder, `${name}.o`);
    // The SDKs' own dialect is GNU's.
    const flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-int-to-pointer-cast", "-c"];
    const include = [join(folder, name), join(FIRMWARE_FOLDER, "node")].map((dir) => `-I${dir}`);
    const source = join(FIRMWARE_FOLDER, "ports", port.source);
    execFileSync(compiler as string, [...flags, ...include, source, "-o", object], {
      stdio: "pipe",
    });
    const symbols = execFileSync(lister as string, ["-g", "--defined-only", object], {
      encoding: "utf8",
    });
    for (const wanted of FUNCTIONS) expect(symbols).toMatch(new RegExp(` bw_hal_${wanted}$`, "m"));
  });

  it.skipIf(!isThere)("hears on after bytes that came while the STM32's HAL was sending", () => {
    const harness = join(folder, "stm32-run.c");
    writeFileSync(
      harness,
      `#include "bw_hal.h"
#include "stm32l4xx_hal.h"
UART_HandleTypeDef huart2;
static uint8_t *into;
static int locked;
HAL_StatusTypeDef HAL_UART_Receive_IT(UART_HandleTypeDef *huart, uint8_t *data, uint16_t size) {
  (void)huart; (void)size;
  if (locked) return HAL_BUSY;
  into = data;
  return HAL_OK;
}
static void comes(uint8_t byte) {
  if (into == 0) return;
  *into = byte;
  into = 0;
  HAL_UART_RxCpltCallback(&huart2);
}
HAL_StatusTypeDef HAL_UART_Transmit(UART_HandleTypeDef *huart, const uint8_t *data, uint16_t size,
                                    uint32_t timeout) {
  (void)huart; (void)data; (void)size; (void)timeout;
  locked = 1;
  comes(1);
  locked = 0;
  return HAL_OK;
}
uint32_t HAL_GetTick(void) { static uint32_t now; return now++; }
void stub_wait(void) {}
void stub_clear_flags(uint32_t flags) { (void)flags; }
HAL_StatusTypeDef HAL_FLASH_Unlock(void) { return HAL_OK; }
HAL_StatusTypeDef HAL_FLASH_Lock(void) { return HAL_OK; }
HAL_StatusTypeDef HAL_FLASH_Program(uint32_t type, uint32_t address, uint64_t data) {
  (void)type; (void)address; (void)data;
  return HAL_OK;
}
HAL_StatusTypeDef HAL_FLASHEx_Erase(FLASH_EraseInitTypeDef *init, uint32_t *failed) {
  (void)init; (void)failed;
  return HAL_OK;
}
int main(void) {
  uint8_t bytes[8];
  bw_port_start();
  comes(0);
  (void)bw_hal_transmit(bytes, 1);
  uint32_t count = bw_hal_receive(bytes, 8);
  bw_hal_sleep(100);
  comes(2);
  count += bw_hal_receive(bytes + count, 8 - count);
  return count == 3 && bytes[2] == 2 ? 0 : 1;
}
`,
    );
    const output = join(folder, "stm32-run");
    const include = [join(folder, "stm32"), join(FIRMWARE_FOLDER, "node")].map((dir) => `-I${dir}`);
    const flags = ["-std=gnu11", "-Wno-int-to-pointer-cast", ...include];
    const port = join(FIRMWARE_FOLDER, "ports/stm32/bw_hal_stm32l4.c");
    execFileSync(compiler as string, [...flags, port, harness, "-o", output], { stdio: "pipe" });
    execFileSync(output, { stdio: "pipe" });
  });

  const guide = readText("deploy/firmware/PORTING.md");

  it.skipIf(!isThere)(
    "have a main program on their page that compiles and wants nothing else",
    () => {
      const [, text = ""] = /```c\n(.+?)\n```/s.exec(guide) ?? [];
      const source = join(folder, "page.c");
      writeFileSync(source, text);
      const rest = join(folder, "rest.c");
      const board = `#include "bw_hal.h"
#include "bw_node.h"
#include <stdlib.h>
static uint8_t flash[65536] __attribute__((aligned(16)));
const bw_flash bw_hal_flash = {flash, sizeof flash, 1024};
const uint8_t block[1024] = {0}, factory[4] = {0};
const uint32_t factory_length = 4;
bool bw_hal_transmit(const uint8_t *bytes, uint32_t length) { (void)bytes; return length > 0; }
uint32_t bw_hal_receive(uint8_t *bytes, uint32_t capacity) { (void)bytes; return capacity & 0u; }
uint64_t bw_hal_clock(void) { return 0; }
void bw_hal_sleep(uint32_t milliseconds) { (void)milliseconds; }
bool bw_hal_flash_write(uint32_t address, const void *data, uint32_t length) {
  return address + length > 0 && data != 0;
}
uint8_t read_sensor(bw_samples *samples) { return samples == 0; }
uint64_t wall_ms(void) { return 0; }
void feed_watchdog(void) {}
void stop(void) { exit(7); }
uint8_t battery_percent(void) { return 100; }
`;
      writeFileSync(rest, board);
      const output = join(folder, "page");
      compile({
        target: "host",
        sources: [source, rest, ...firmwareFiles("node", "runtime", "crypto")],
        output,
        flags: [`-I${join(FIRMWARE_FOLDER, "node")}`],
      });
      // Nobody has told it who it is: that is where it stops.
      expect(spawnSync(output).status).toBe(7);
    },
  );

  it("are told who they are by a block that the firmware reads", () => {
    const key = join(folder, "release-key.pub");
    writeFileSync(key, `${"ab".repeat(32)}\n`);
    const out = join(folder, "block.bin");
    const words = ["--node", "collar-07", "--user", "anna", "--password", "secret", "--key", key];
    const line = writeBlock([...words, "--encoding", "companded2", "--out", out]);
    const block = readFileSync(out);
    expect(line).toContain(`${block.length} bytes, node collar-07, 1 release keys`);
    expect(block.subarray(0, 8).toString("latin1")).toBe("BWPROV4\0");
    expect([block[62], block.includes("collar-07"), block.includes("secret")]).toEqual([
      3,
      true,
      true,
    ]);
    const options = Object.keys(BLOCK_OPTIONS).filter((name) => name !== "base");
    for (const name of options) expect(guide).toContain(`--${name} `);
    expect(() => writeBlock([...words, "--encoding", "features", "--out", out])).toThrow(
      /--encoding/,
    );
    expect(() => writeBlock(["--out", out])).toThrow(/--node/);
  });

  it("say in each file that nobody has compiled or run them", () => {
    for (const [, { source }] of PORTS) {
      const text = readText(`deploy/firmware/ports/${source}`).replace(/[\s*]+/g, " ");
      expect(text).toMatch(
        /has not been compiled with \S+ headers and has not run on a (board|chip)/,
      );
    }
    expect(guide).toContain("Nothing on this page has run on silicon");
    const files = projectFiles().filter((path) => path.startsWith("deploy/firmware/ports/"));
    expect(files.length).toBeGreaterThan(PORTS.length);
    for (const file of files) expect(guide).toContain(`(${file.slice("deploy/firmware/".length)})`);
  });
});
