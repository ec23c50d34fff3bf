/**
 * The house rules' tables: which folder may import which, which file may know which outside dependency,
 * and which files outside `src` decide without acting. `house.test.ts` holds the tree against them.
 */

export const FOLDERS = [
  "src",
  "recordings",
  "gateway",
  "device-sim",
  "deploy",
  "cli",
  "bench",
  "test",
] as const;
export type Folder = (typeof FOLDERS)[number];

/** Folder by folder: what may be imported. Gateway and nodes meet on the wire and nowhere else. */
export const MAY_IMPORT: Readonly<Record<Folder, readonly Folder[]>> = {
  src: ["src"],
  recordings: ["src", "recordings"],
  gateway: ["src", "recordings", "gateway"],
  "device-sim": ["src", "recordings", "device-sim"],
  deploy: ["src", "device-sim", "deploy"],
  cli: ["src", "recordings", "gateway", "device-sim", "deploy", "cli", "bench"],
  bench: FOLDERS,
  test: FOLDERS,
};

/** Outside dependency by outside dependency: the files that may know it. Tests may know any. */
export const KNOWN_BY: Readonly<Record<string, RegExp>> = {
  aedes: /^gateway\/broker\/broker\.ts$/,
  mqtt: /^(device-sim\/mqtt-(link|join)|cli\/mqtt-client|gateway\/broker\/external-broker)\.ts$/,
  "mqtt-packet": /^cli\/mqtt-numbers\.ts$/,
  "onnxruntime-node": /^gateway\/teacher\/onnx-runtime\.ts$/,
  commander: /^cli\/main\.ts$/,
  yaml: /^gateway\/config\/config\.ts$/,
  fflate: /^recordings\/unzip\.ts$/,
  ws: /^gateway\/broker\/websocket-listener\.ts$/,
  "hyparquet-writer": /^cli\/parquet-rows\.ts$/,
  zod: /^(src|gateway|recordings|cli|deploy)\//,
  "node:sqlite":
    /^gateway\/(store\/(label-[a-z-]+|data-lock|database-files)|access\/access-store)\.ts$/,
  "@tensorflow/*": /^gateway\/teacher\/tensorflow-teacher[a-z-]*\.ts$/,
};

/** Those that import what is named only when they run: a benchmark asked for, an optional package. */
export const COMPUTES_IMPORTS =
  /^(bench\/(main|engine-web)|gateway\/teacher\/tensorflow-teacher-runtime)\.ts$/;

/** Outside `src` these are pure as well: they decide, others act. */
const PURE: Readonly<Record<string, readonly string[]>> = {
  gateway: ["gateway", "gateway-state"],
  "gateway/access": ["access", "guess-limit"],
  "gateway/broker": ["packet-check"],
  "gateway/herd": ["behaviour-desk", "behaviour-state", "presence"],
  "gateway/http": ["phone-origin", "prometheus"],
  "gateway/lorawan": ["chirpstack"],
  "gateway/release": ["release-fit", "rollout", "rollout-steering", "serving"],
  "gateway/sparkplug": ["sparkplug", "sparkplug-metrics", "sparkplug-names", "sparkplug-payload"],
  "gateway/telling": [
    "board",
    "home-assistant",
    "tell-behaviours",
    "tell-node-state",
    "tell-rollouts",
    "telling",
  ],
  "gateway/dashboard": ["animal-view", "herd-view", "loop-view", "models-view", "pages", "qr"],
  "device-sim": ["node", "sample-lines"],
  "device-sim/browser": ["ed25519", "motion-stream", "page-crypto", "sha2"],
};
export const PURE_FILES = Object.entries(PURE).flatMap(([folder, names]) =>
  names.map((name) => `${folder}/${name}.ts`),
);
