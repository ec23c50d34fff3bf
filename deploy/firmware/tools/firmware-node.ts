/**
 * A firmware node in QEMU: its link wired to the broker, its sensor bus to whoever has samples.
 *
 * The node's UART is a TCP connection to the broker, nothing between them; when it breaks QEMU
 * makes it anew and the firmware has to find out by itself. Flash is a file, so that the node may be
 * killed and started again. On the micro:bit the sensor has no line of its own, see `boards/`.
 */

import { once } from "node:events";
import { existsSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { NodeId } from "../../../src/wire/messages.ts";
import { type Emulator, startEmulator } from "./emulator.ts";
import { NODE_BOARDS, type NodeBoardName } from "./node-image.ts";
import { encodeProvision, type Provision } from "./provision.ts";
import { type BusSamples, encodeBus } from "./sensor-bus.ts";

/** The memory that QEMU gives the board as one block; flash is its beginning. */
const BACKEND_BYTES = 16 * 1024 * 1024;
const FLASH_BYTES = 1024 * 1024;

export type FirmwareNodeOptions = {
  readonly board: NodeBoardName;
  /** An ELF file of `buildNodeImage`. */
  readonly image: string;
  readonly broker: { readonly host: string; readonly port: number };
  readonly provision: Provision;
  /** Its flash and its provisioning block are kept here. */
  readonly folder: string;
};

export type FirmwareNode = {
  readonly id: NodeId;
  /** Hands samples to the sensor bus; waits for a node that takes them slowly. */
  feed(samples: BusSamples): Promise<void>;
  /** As its reset button would. */
  reset(): void;
  /** Pulls the battery, and puts it back. */
  powerCycle(): Promise<void>;
  /** What it has written to a debugger. */
  output(): string;
  /** QEMU's process, whose CPU time is the node's. */
  pid(): number;
  stop(): Promise<void>;
};

export async function startFirmwareNode(options: FirmwareNodeOptions): Promise<FirmwareNode> {
  const { folder, provision } = options;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "provision.bin"), encodeProvision(provision));
  const bus = await openBus();
  let emulator = power(options, bus.port);
  return {
    id: provision.id,
    feed: (samples) => bus.write(encodeBus(samples)),
    reset: () => emulator.reset(),
    powerCycle: async () => {
      await emulator.stop();
      emulator = power(options, bus.port);
    },
    output: () => emulator.output(),
    pid: () => emulator.pid,
    stop: async () => {
      await emulator.stop();
      bus.close();
    },
  };
}

function power(options: FirmwareNodeOptions, busPort: number): Emulator {
  const { board, image, broker, folder } = options;
  const { provisionAddress } = NODE_BOARDS[board];
  const block = join(folder, "provision.bin");
  const flags = [
    ...line("link", broker.host, broker.port),
    ...(board === "microbit" ? [] : line("bus", "127.0.0.1", busPort)),
    ...["-device", `loader,file=${block},addr=${provisionAddress},force-raw=on`],
    ...(board === "microbit" ? [] : flashFile(join(folder, "flash.bin"))),
  ];
  return startEmulator({ board, image, flags });
}

/** One UART as a TCP connection that is made again when it breaks. */
function line(id: string, host: string, port: number): readonly string[] {
  const socket = `socket,id=${id},host=${host},port=${port},reconnect=1,nodelay=on`;
  return ["-chardev", socket, "-serial", `chardev:${id}`];
}

function flashFile(file: string): readonly string[] {
  if (!existsSync(file)) {
    writeFileSync(file, new Uint8Array(FLASH_BYTES).fill(0xff));
    // What lies beyond takes no room on most disks.
    truncateSync(file, BACKEND_BYTES);
  }
  const backend = `memory-backend-file,id=flash,size=${BACKEND_BYTES},mem-path=${file},share=on`;
  return ["-object", backend, "-machine", "memory-backend=flash"];
}

type Bus = {
  readonly port: number;
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
};

/** Where the node's sensor bus connects to. What is written while nobody is connected is lost, as
 * samples are while a node is off. */
async function openBus(): Promise<Bus> {
  let socket: Socket | undefined;
  const server: Server = createServer((connected) => {
    socket = connected.on("error", () => undefined);
    connected.setNoDelay(true).resume();
    connected.on("close", () => {
      if (socket === connected) socket = undefined;
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    port,
    write: async (bytes) => {
      const to = socket;
      if (to === undefined || to.write(bytes)) return;
      await Promise.race([once(to, "drain"), once(to, "close")]);
    },
    close: () => {
      socket?.destroy();
      server.close();
    },
  };
}
