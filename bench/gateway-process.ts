/**
 * A child of `bench -- gateway`: serves, or runs the bare teacher, on the core it was started on.
 *
 *     node bench/gateway-process.ts serve <teacher.onnx> <profile> <folder> <batch> <wait ms>
 *     node bench/gateway-process.ts bare <teacher.onnx> <profile> <batch> <seconds>
 *
 * `serve` prints its URL, and at the end of its input its processor time. `bare` prints windows a
 * second and processor time per window of the same adapter and the same batch, with nothing around.
 */

import path from "node:path";
import { parseConfig } from "../gateway/config/config.ts";
import { lineLog } from "../gateway/log-lines.ts";
import { startGateway } from "../gateway/run-gateway.ts";
import { openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { trustAlways } from "../gateway/teacher/teacher.ts";
import { openTeacherThread } from "../gateway/teacher/teacher-thread.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { randomWindows } from "./gateway-windows.ts";

const [mode = "", teacherFile = "", profileName = "", ...rest] = process.argv.slice(2);
const profile = shippedProfile(profileName);

async function serve(folder: string, batchSize: number, waitMs: number): Promise<void> {
  const teacher = await openTeacherThread(teacherFile, profile);
  const yaml = `
profile: ${profileName}
broker: { port: 0, packets_per_second: 100000, packets_burst: 100000 }
teacher: { batch_size: ${batchSize}, wait_ms: ${waitMs}, queue: 4096 }
`;
  const config = parseConfig(yaml, path.join(folder, "gateway.yaml"), {});
  const log = lineLog("warning", (line) => process.stderr.write(`${line}\n`));
  const gateway = await startGateway(config, { teacher, trust: trustAlways, log });
  const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
  print({ url: gateway.url });
  process.stdin.on("data", () => {
    const { user, system } = process.cpuUsage();
    print({ cpuMs: (user + system) / 1000, labels: gateway.counters().softLabels });
  });
  process.stdin.on("end", () => {
    void gateway.stop().then(() => process.exit(0));
  });
}

async function bare(batchSize: number, seconds: number): Promise<void> {
  const teacher = await openOnnxTeacher(teacherFile, profile);
  const windows = randomWindows(profile, batchSize);
  for (let i = 0; i < 20; i++) await teacher.predict(windows, batchSize, 16);
  const startMs = performance.now();
  const before = process.cpuUsage();
  let count = 0;
  while (performance.now() - startMs < 1000 * seconds) {
    await teacher.predict(windows, batchSize, 16);
    count += batchSize;
  }
  const { user, system } = process.cpuUsage(before);
  const windowsPerSecond = (1000 * count) / (performance.now() - startMs);
  const cpuMicrosPerWindow = (user + system) / count;
  process.stdout.write(`${JSON.stringify({ windowsPerSecond, cpuMicrosPerWindow })}\n`);
}

if (mode === "serve") await serve(rest[0] ?? "", Number(rest[1]), Number(rest[2]));
else await bare(Number(rest[0]), Number(rest[1]));
