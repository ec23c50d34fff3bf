/**
 * One seed of the loop's benchmark, live: broker, gateway, teacher, distiller and releases in this
 * thread and one below it, a herd over real MQTT on 127.0.0.1, on a simulated clock.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Fleet, startFleet, type Truth } from "../device-sim/fleet.ts";
import { mqttLinks } from "../device-sim/mqtt-link.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import { replaySource } from "../device-sim/replay-sensor.ts";
import { sensorOver } from "../device-sim/sensor.ts";
import { parseConfig } from "../gateway/config/config.ts";
import { openReleaseKeys } from "../gateway/release/release-keys.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import { type LoopGateway, startLoopGateway } from "../gateway/start-loop.ts";
import { type OpenTeacher, openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { studentOnnx } from "../src/learn/student-network.ts";
import { prng } from "../src/prng.ts";
import { modelId, nodeId } from "../src/wire/topics.ts";
import { type LoopCounts, LoopDiary } from "./loop-diary.ts";
import { LoopPerson } from "./loop-person.ts";
import { type LoopScores, scoreLoop } from "./loop-scores.ts";
import { type LoopJob, type LoopSetup, setUpLoop } from "./loop-setup.ts";

export type LoopRunJob = LoopJob & {
  readonly speed: number;
  /** Windows that a person labels where the teacher is not trusted. */
  readonly person: number;
};

export type LoopRun = LoopScores &
  LoopCounts & {
    /** Answers in the label log when the run ended, audits of the release included. */
    readonly labelsLogged: number;
    /** Windows that a person has labelled. */
    readonly humanLabels: number;
    readonly seconds: number;
  };

/** Simulated time without any alarm after which nothing more is waited for: every bout was heard. */
const QUIET_PASSES = 1.5;
/** Simulated time after which the run ends whatever is going on. */
const LONGEST_PASSES = 30;
const LOOK_MS = 200;
/** Training takes most of a run. */
const SETUP_SHARE = 0.7;

export async function runLoop(
  job: LoopRunJob,
  onProgress: (share: number) => void,
): Promise<LoopRun> {
  const startMs = performance.now();
  const setup = await setUpLoop(job, (part, share) => {
    const from = part === "teacher" ? 0 : 0.6;
    onProgress(SETUP_SHARE * (from + (part === "teacher" ? 0.6 : 0.4) * share));
  });
  onProgress(SETUP_SHARE);
  const directory = mkdtempSync(path.join(tmpdir(), "bellwether-loop-"));
  try {
    const lived = await live(job, setup, directory);
    onProgress(1);
    const seconds = Math.round((performance.now() - startMs) / 1000);
    return { ...lived, seconds };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function live(
  job: LoopRunJob,
  setup: LoopSetup,
  directory: string,
): Promise<Omit<LoopRun, "seconds">> {
  const diary = new LoopDiary(job.shift.map(collarOf));
  const file = path.join(directory, "teacher.onnx");
  writeFileSync(file, setup.teacherFile);
  const teacher = await openOnnxTeacher(file, setup.profile);
  const { gateway, registry, stop } = await startLoop(job, setup, directory, teacher, diary);
  const person = new LoopPerson(job.person);
  const fleet = await herd(
    job,
    setup,
    directory,
    gateway,
    (truth) => {
      diary.decided(truth);
      person.see(truth);
    },
    diary,
  );
  try {
    await settled(fleet, diary, passSeconds(setup, job), async () => {
      if (job.person === 0) return false;
      await person.answer(gateway.inbox);
      return true;
    });
    const final = new Map(
      fleet.status().nodes.map((node, i) => {
        const bytes = registry.container(modelId(node.modelId, node.node));
        return [job.shift[i] ?? "", bytes ?? setup.packed.bytes];
      }),
    );
    const labelsLogged = gateway.counters().softLabels;
    const humanLabels = person.labels;
    return { ...diary.counts(), labelsLogged, humanLabels, ...scoreLoop(setup, final) };
  } finally {
    await fleet.stop();
    await stop();
    await teacher.close();
  }
}

function collarOf(subject: string): string {
  return `collar-${subject.toLowerCase()}`;
}

function startLoop(
  job: LoopRunJob,
  setup: LoopSetup,
  directory: string,
  teacher: OpenTeacher,
  diary: LoopDiary,
): Promise<LoopGateway> {
  const { profile, recipe, anchor, student, packed } = setup;
  return startLoopGateway({
    config: configOf(directory),
    profile,
    teacher,
    anchor,
    factory: { container: packed.bytes, student: studentOnnx(student) },
    augmentation: {
      teacher: recipe.teacher.augmentation,
      student: recipe.student.options.augmentation,
    },
    // Real time is short beside simulated time: what waits for people or nights waits seconds here.
    trigger: {
      patienceMs: 20_000,
      peopleWanted: Math.max(1, job.person),
      peopleLeast: Math.max(1, Math.min(job.person, 8)),
      peopleQuietMs: 10_000,
    },
    lookMs: LOOK_MS,
    seed: job.seed,
    log: diary.log,
    onReport: (report) => diary.report(report),
  });
}

function configOf(directory: string) {
  const config = parseConfig("{}", path.join(directory, "loop.yaml"), {});
  const { releases, broker } = config;
  return {
    ...config,
    dataDirectory: directory,
    broker: { ...broker, port: 0, packetsPerSecond: 5_000, packetsBurst: 10_000 },
    releases: {
      chunkBytesPerSecond: 10_000_000,
      policy: { ...releases.policy, soakMs: 500, silenceMs: 60_000, evidenceMs: 60_000 },
    },
  };
}

function herd(
  job: LoopRunJob,
  setup: LoopSetup,
  directory: string,
  gateway: RunningGateway,
  onTruth: (truth: Truth) => void,
  diary: LoopDiary,
): Promise<Fleet> {
  const { profile, lived, packed } = setup;
  const { publicKey } = openReleaseKeys(path.join(directory, "keys"));
  return startFleet({
    nodes: job.shift.map((subject, i) => ({
      id: nodeId(collarOf(subject)),
      factory: packed.bytes,
      sensor: sensorOver(
        replaySource(lived, profile, {
          subjects: [subject],
          order: "shuffled",
          boutSecondsMax: 90,
          seed: 100 * job.seed + i,
        }),
        [],
        job.seed,
      ),
    })),
    seed: job.seed,
    settings: { ...COLLAR, publicKeys: [publicKey] },
    engine: referenceEngine,
    openLink: mqttLinks({
      url: gateway.url,
      base: parseConfig("{}", "loop.yaml", {}).base,
      random: prng(job.seed, "links"),
    }),
    storageDir: null,
    speed: job.speed,
    onTruth,
    observer: {
      released: (node, news) => {
        if (news.outcome === "confirmed") diary.confirmed(node, news.releaseSequence);
      },
    },
  });
}

/** Simulated seconds in which every node has heard every bout once. */
function passSeconds(setup: LoopSetup, job: LoopRunJob): number {
  const { lived } = setup;
  const perSubject = job.shift.map((subject) =>
    lived.segments
      .filter((segment) => segment.subject === subject)
      .reduce((sum, { length }) => sum + Math.min(90, length / lived.rateHz), 0),
  );
  return Math.max(...perSubject);
}

/** Resolves when a release runs everywhere, when the teacher is found not to know and no person helps
 * or what people taught was refused, or when a quiet herd has been heard for long enough. */
async function settled(
  fleet: Fleet,
  diary: LoopDiary,
  pass: number,
  help: () => Promise<boolean>,
): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const { simulatedSeconds, nodes } = fleet.status();
    if (diary.runsEverywhere(nodes) || diary.peopleRefused) return;
    const isHelped = diary.notTrusted && (await help());
    if (diary.notTrusted && !isHelped) return;
    if (!isHelped && simulatedSeconds > QUIET_PASSES * pass && diary.isQuiet) return;
    if (simulatedSeconds > LONGEST_PASSES * pass) return;
  }
}
