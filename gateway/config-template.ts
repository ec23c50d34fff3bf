/**
 * Every setting with its default and what it is for, as people get it by
 * `bellwether gateway --show-config`. A test holds it against the schema.
 */

export const CONFIG_TEMPLATE = `# Settings of a bellwether gateway. All are optional; these are the defaults.
# BELLWETHER_CONFIG_BROKER_PORT=1884 in the environment goes before broker.port in this file,
# and so on for every setting.

# What must survive is kept here: label log, releases, keys. Relative to this file.
data_directory: bellwether-data

topics:
  base: bellwether            # before every topic; up to three levels, such as farm/north

broker:
  # url: mqtt://user@farm.local:1883   # use this broker instead of our own; mqtts:// for TLS
  # password_file: mqtt-password       # its password, in a file of its own
  # ca_file: ca.pem                    # who signed its certificate
  host: 127.0.0.1             # our own broker knows no passwords and stays on the loopback
  port: 1883                  # 0 takes a free one
  connections: 1024
  packets_per_second: 200     # of one connection, in the long run; beyond it reading slows down
  packets_burst: 1000

profile: cattle               # cattle, cattle-four, people, watch

teacher:
  # file: my-teacher.onnx     # ONNX, or TensorFlow.js (model.json); else the profile's own
  batch_size: 16              # windows in one call
  wait_ms: 5                  # how long the first of them waits for more
  queue: 1024                 # windows waiting in memory; more wait on disk
  node_queue: 64              # of one node

nodes:
  silences: 2.5               # offline after so many of the longest silences that a node announced

loop:
  enabled: true               # false: answer and keep soft labels, never distil
  labels_wanted: 60           # trusted answers to gather after a drift alarm
  labels_least: 24            # enough when patience is at an end
  patience_minutes: 60
  labels_count: 500           # distil without an alarm after so many new answers
  schedule_hours: 168         # or after so long, given labels_least; 0 for never

releases:
  chunk_bytes_per_second: 262144
  soak_minutes: 10            # from the last confirmation to the next stage of a rollout
  silence_minutes: 1440       # a node that does not confirm in this time has failed
  evidence_minutes: 1440      # a stage that gathers no evidence in this time has failed
  audits_least: 8             # trusted audits before the canary's end
  windows_least: 30

log:
  level: info                 # debug, info, warning, error
`;
