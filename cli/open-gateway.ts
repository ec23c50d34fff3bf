/**
 * Opens a gateway for a profile: its shipped models or a person's own teacher, and an anchor set,
 * which is made once from recordings, or from the emulator where there are none.
 */

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { GatewayConfig } from "../gateway/config/config.ts";
import { type AnchorSet, loadAnchor, makeAnchor, saveAnchor } from "../gateway/distil/anchor.ts";
import type { KeptStudent } from "../gateway/release/release-desk.ts";
import { gatewayCrypto } from "../gateway/release/release-keys.ts";
import { type LoopGateway, type LoopRequest, startLoopGateway } from "../gateway/start-loop.ts";
import { probeOnnxRuntime } from "../gateway/teacher/onnx-probe.ts";
import { openTeacherThread, type ProfileTeachers } from "../gateway/teacher/teacher-thread.ts";
import { EdgeError } from "../src/assert.ts";
import { plainRecipe, recipeFor } from "../src/learn/recipes.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import type { ProfileFolder } from "./profile-folder.ts";

const ANCHOR_SEED = 1;

/** Which of a profile's students nodes are made with. */
export type FactoryStudent = "default" | "plain";

export type OpenRequest = Pick<LoopRequest, "config" | "log" | "trigger" | "lookMs" | "engine"> & {
  readonly home: ProfileFolder;
  readonly student: FactoryStudent;
  /** Labelled recordings for the anchor set; asked for only where none is in the data directory. */
  readonly anchorRecordings: () => Promise<Recordings>;
  readonly seed?: number;
};

export type OpenGateway = LoopGateway & { readonly teacher: ProfileTeachers };

/** @throws EdgeError for whatever is missing or does not fit, with what to do about it */
export async function openGateway(request: OpenRequest): Promise<OpenGateway> {
  const { config, home, student, log, seed = 1 } = request;
  const { profile } = home;
  const teacher = await openProfileTeacher(config, home);
  for (const assumption of teacher.assumptions) log("warning", "assumed", { assumption });
  try {
    const recipe = student === "plain" ? plainRecipe(recipeFor(profile)) : recipeFor(profile);
    const running = await startLoopGateway({
      config,
      profile,
      teacher,
      coarse: teacher.coarse,
      tail: teacher.tail,
      anchor: await openAnchor(config, profile, request.anchorRecordings),
      factory: factoryStudent(home, student),
      augmentation: {
        teacher: recipe.teacher.augmentation,
        student: recipe.student.options.augmentation,
      },
      seed,
      log,
      ...(request.engine !== undefined && { engine: request.engine }),
      ...(request.trigger !== undefined && { trigger: request.trigger }),
      ...(request.lookMs !== undefined && { lookMs: request.lookMs }),
    });
    return {
      ...running,
      teacher,
      stop: async () => {
        await running.stop();
        await teacher.close();
      },
    };
  } catch (error) {
    await teacher.close();
    throw error;
  }
}

/** The container and the floats that it was made from. Throws `EdgeError`
 * `student-missing`. */
export function factoryStudent(home: ProfileFolder, which: FactoryStudent): KeptStudent {
  const name = which === "plain" ? "student-plain" : "student";
  return {
    container: readModel(home, `${name}.bwm`),
    student: readModel(home, `${name}.onnx`),
  };
}

function readModel({ profile, folder }: ProfileFolder, name: string): Uint8Array {
  const file = path.join(folder, name);
  if (existsSync(file)) return readFileSync(file);
  throw new EdgeError({
    code: "student-missing",
    message: `profile ${profile.name} has no ${name}`,
    where: file,
    hint: "`bellwether train` makes a profile's models; --student plain is of cattle alone.",
  });
}

/** The configured teachers, or the profile's own. */
export async function openProfileTeacher(
  config: GatewayConfig,
  home: ProfileFolder,
): Promise<ProfileTeachers> {
  const { profile, folder } = home;
  const file = config.teacherFile ?? path.join(folder, "teacher.onnx");
  if (!existsSync(file)) {
    throw new EdgeError({
      code: "teacher-missing",
      message: "there is no such teacher",
      where: file,
      hint: "Name an ONNX file or a TensorFlow.js model with --teacher or teacher.file.",
    });
  }
  // A runtime built for a newer processor kills its process: better a child's than ours.
  if (file.endsWith(".onnx")) await probeOnnxRuntime(file);
  return openTeacherThread(file, profile, {
    tailFile: config.tailFile ?? ownBeside(config, home, "tail.onnx"),
    coarseFile: config.coarseFile ?? ownBeside(config, home, "coarse.onnx"),
  });
}

/** It was trained to say what the profile's own teacher says, and no other. */
function ownBeside(
  config: GatewayConfig,
  { folder }: ProfileFolder,
  name: string,
): string | undefined {
  const file = path.join(folder, name);
  return config.teacherFile === undefined && existsSync(file) ? file : undefined;
}

async function openAnchor(
  config: GatewayConfig,
  profile: Profile,
  recordings: () => Promise<Recordings>,
): Promise<AnchorSet> {
  const file = path.join(config.dataDirectory, "anchor.bin");
  if (existsSync(file)) return loadAnchor(file, profile, gatewayCrypto);
  const windows = makeWindows(await recordings(), profile);
  mkdirSync(config.dataDirectory, { recursive: true });
  const anchor = makeAnchor(windows, profile, { seed: ANCHOR_SEED });
  saveAnchor(file, anchor, gatewayCrypto);
  return anchor;
}
