/**
 * Every setting with its default and what it is for, as people get it by
 * `bellwether gateway --show-config`. A test holds it against the schema.
 */

import { DEFAULT_TRIGGER_RULE as TRIGGER } from "../distil/distil-trigger.ts";
import { DEFAULT_ROLLOUT_POLICY as ROLLOUT } from "../release/rollout.ts";

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
  host: 127.0.0.1             # where our own broker speaks plain MQTT
  port: 1883                  # 0 takes a free one
  plain_mqtt: loopback        # lan: also beyond this machine; passwords can be read on the way
  connections: 1024
  packets_per_second: 200     # of one connection, in the long run; beyond it reading slows down
  packets_burst: 1000

access:
  loopback: anonymous         # closed: clients on this machine need credentials too

tls:                          # MQTT over TLS, for everybody who is not on this machine
  enabled: false              # first run \`bellwether certs make\`
  host: 0.0.0.0
  port: 8883
  # certificate_file: server.pem       # yours, instead of what that has made
  # key_file: server-key.pem
  # client_ca_file: ca.pem             # who signs the certificates of clients; else our own
  client_certificates: off    # optional, required: its common name is who a client is

websocket:                    # MQTT over WebSocket, for browsers
  enabled: false
  host: 127.0.0.1
  port: 9001
  tls: auto                   # on, off; auto: on where it listens beyond this machine
  origins: []                 # pages that may connect, such as https://farm.local:8443

http:                         # a page that shows the herd and the loop, for a browser
  enabled: true
  host: 127.0.0.1             # elsewhere over TLS and with the operator's token or a reader's
  port: 8811                  # where it is in use, the gateway runs without the page
  names: []                   # what people call this machine, such as farm.local

profile: cattle               # cattle, people, or a folder that train wrote, such as ./profiles/sheep

teacher:
  # file: my-teacher.onnx     # ONNX, or TensorFlow.js (model.json); else the profile's own
  # coarse: my-coarse.onnx    # answers windows in 2 bits a value; else the profile's own
  # tail: my-tail.onnx        # answers codes that an encoder makes; else the profile's own
  batch_size: 16              # windows in one call
  wait_ms: 5                  # how long the first of them waits for more
  queue: 1024                 # windows waiting in memory; more wait on disk
  node_queue: 64              # of one node

nodes:
  silences: 2.5               # offline after so many of the longest silences that a node announced
  most: 10000                 # frames of further nodes are refused
  offload_percent: 0          # of their windows, by the nearest operating point below; 0 as released
  offload_percent_of: {}      # collar-1: 2, heifers: 20, and so on, by node or group

behaviours:                   # bouts and time budgets
  utc_offset_hours: 0         # when days begin: 1 for central Europe in winter
  # typical_seconds: 20       # bouts last so long, shorter need more evidence; else as the teacher learned
  typical_seconds_of: {}      # still: 300, and so on, for single behaviours
  gap_seconds: 60             # a longer silence between windows is unknown time
  open_minutes: 30            # so far back a late answer still corrects a bout
  budget_seconds: 60          # least time between two tellings of a budget
  groups: {}                  # heifers: [collar-1, collar-2], and so on

alerts:                       # days that differ from the animal's own days before
  days: 7                     # compare with the median of so many days
  days_least: 3               # of which so many must be good
  known_least: 0.5            # share of a day that must be known for it to be good
  deviations_least: 2         # how far a day must stand out from how these days differ
  rules: []                   # [{ name: less-rumination, behaviours: [ruminating], change_percent: -20 }]

loop:
  enabled: true               # false: answer and keep soft labels, never distil
  labels_wanted: ${TRIGGER.labelsWanted}           # trusted answers to gather after a drift alarm
  labels_least: ${TRIGGER.labelsLeast}            # enough when patience is at an end
  patience_minutes: ${TRIGGER.patienceMs / 60_000}
  labels_count: ${TRIGGER.labelsCount}           # distil without an alarm after so many new answers
  schedule_hours: ${TRIGGER.scheduleMs / 3_600_000}         # or so long after the last; 0: never
  people_labels_wanted: ${TRIGGER.peopleWanted}    # or after so many new labels of people
  people_labels_least: ${TRIGGER.peopleLeast}     # enough when nobody has labelled for
  people_quiet_minutes: ${TRIGGER.peopleQuietMs / 60_000}

releases:
  chunk_bytes_per_second: 262144
  soak_minutes: ${ROLLOUT.soakMs / 60_000}            # from the last confirmation to the next stage
  silence_minutes: ${ROLLOUT.silenceMs / 60_000}       # a node that does not confirm by then has failed
  evidence_minutes: ${ROLLOUT.evidenceMs / 60_000}      # a stage without evidence by then has failed
  audits_least: ${ROLLOUT.auditsLeast}             # trusted audits before the canary's end
  windows_least: ${ROLLOUT.windowsLeast}

metrics:                      # /metrics for Prometheus, over HTTP and without credentials
  enabled: true
  host: 127.0.0.1             # beyond this machine only where you name another address
  port: 9464

home_assistant:
  discovery: true             # false: nodes do not appear in Home Assistant by themselves

sparkplug:                    # Sparkplug B, for hosts of industry such as Ignition
  enabled: false              # true: the gateway is an edge node, and every node a device of it
  group: bellwether
  edge_node: gateway
  # primary_host: scada                # nothing is told until this host says that it is there
  hosts: []                   # hosts that may say so on our own broker, by their host ids
  # url: mqtt://user@plant:1883        # another broker than the one that nodes use
  # password_file: plant-password
  # ca_file: ca.pem

lorawan:                      # nodes behind ChirpStack v4; see docs/LORAWAN.md
  # url: mqtt://localhost:1883         # ChirpStack's broker; without it there is no LoRaWAN
  # password_file: chirpstack-password
  # ca_file: ca.pem
  application: ""             # its id in ChirpStack
  port: 10                    # LoRaWAN's port for our payloads
  devices: {}                 # "70b3d57ed0000001": collar-1, and so on: who is which device

log:
  level: info                 # debug, info, warning, error
`;
