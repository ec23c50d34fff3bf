/**
 * `bellwether watch`: the behaviours of all nodes, live, from any broker.
 *
 * On a terminal a table that is redrawn; elsewhere a plain line per change, or with `--json` one JSON
 * value per message. It reads the public topics as anybody may, and says when it is not connected:
 * a state on the screen is never silently old.
 */

import { EdgeError } from "../src/assert.ts";
import {
  BRIDGE_TOPICS,
  bridgeTopic,
  everyNodeFilter,
  NODE_TOPICS,
  topicBase,
} from "../src/wire/topics.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { BASE_OPTIONS } from "./gateway-link.ts";
import { readMqtt } from "./mqtt-client.ts";
import { drawView } from "./watch-table.ts";
import { applyMessage, createView, type View } from "./watch-view.ts";

const REDRAW_MS = 250;

export const command: CommandSpec = {
  name: "watch",
  summary: "show the behaviours of all nodes live, from any broker",
  description:
    "Shows the behaviours of all nodes live, from any broker: a table on a terminal,\n" +
    "a plain line per change elsewhere, with --json one JSON value per message.\n" +
    "A password can stand in the URL or in BELLWETHER_MQTT_PASSWORD.",
  options: [
    {
      flags: "--broker <url>",
      description: "where to read, such as mqtts://user@farm.local:8883",
      kind: "text",
      default: "mqtt://127.0.0.1:1883",
    },
    ...BASE_OPTIONS,
    {
      flags: "--count <messages>",
      description: "end after this many lines; failed when --for ends before",
      kind: "number",
      low: 1,
    },
    { flags: "--for <seconds>", description: "end after this time", kind: "number", low: 0.1 },
  ],
  examples: [
    "bellwether watch",
    "bellwether watch --broker mqtt://farm.local:1883 --base farm/north",
    "bellwether watch --json --count 1 | jq .behaviour",
  ],
  run,
};

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const url = withPassword(input.text("broker") ?? "");
  const base = topicBase(input.text("base") ?? "", "--base");
  const view = createView(base);
  const wanted = input.number("count");
  let lines = 0;
  let problem: string | undefined = "connecting";
  let everConnected = false;
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });

  const reader = readMqtt({
    url,
    caFile: input.text("ca"),
    filters: [
      ...NODE_TOPICS.map((name) => everyNodeFilter(base, name)),
      ...BRIDGE_TOPICS.map((name) => bridgeTopic(base, name)),
    ],
    onMessage: (topic, payload) => {
      const happening = applyMessage(view, topic, payload);
      if (happening === undefined || io.interactive) return;
      if (wanted !== undefined && lines >= wanted) return;
      if (io.json) io.printJson({ topic: happening.topic, ...(happening.value as object) });
      else io.print(`${new Date().toISOString()} ${happening.line}`);
      lines++;
      if (lines === wanted) finish();
    },
    onState: (connected, why) => {
      const before = problem;
      problem = connected ? undefined : (why ?? "not connected");
      everConnected ||= connected;
      if (!io.interactive && problem !== undefined && problem !== before) {
        io.note(`watch: ${safeUrl(url)}: ${problem}; trying again`);
      }
    },
  });

  const seconds = input.number("for");
  const timer = seconds === undefined ? undefined : setTimeout(finish, seconds * 1000);
  const screen = io.interactive ? startScreen(view, io, () => statusLine(url, problem)) : undefined;
  io.signal.addEventListener("abort", finish);
  await finished;
  clearTimeout(timer);
  screen?.stop();
  await reader.close();
  if (wanted !== undefined && lines < wanted) {
    io.note(`watch: ${lines} of ${wanted} messages came in time`);
    return EXIT.failed;
  }
  return everConnected || io.signal.aborted ? EXIT.ok : EXIT.failed;
}

/** Redraws in place on the alternate screen, so that the terminal is as before when it ends. */
export function startScreen(
  view: View,
  io: Pick<CommandIo, "columns" | "rows" | "color">,
  status: () => string,
): { stop(): void } {
  const draw = (): void => {
    const columns = io.columns();
    const lines = drawView(view, { columns, rows: io.rows(), color: io.color, nowMs: Date.now() });
    lines.push("", status().slice(0, columns));
    process.stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K\n`).join("")}\u001b[J`);
  };
  process.stdout.write("\u001b[?1049h\u001b[?25l");
  draw();
  const timer = setInterval(draw, REDRAW_MS);
  return {
    stop() {
      clearInterval(timer);
      process.stdout.write("\u001b[?25h\u001b[?1049l");
    },
  };
}

function statusLine(url: string, problem: string | undefined): string {
  const state =
    problem === undefined ? "connected" : `NOT CONNECTED (${problem}), what stands above is old`;
  return `${safeUrl(url)}  ${state}  Ctrl-C ends`;
}

function withPassword(text: string): string {
  const password = process.env.BELLWETHER_MQTT_PASSWORD;
  if (password === undefined || !URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.username === "") {
    throw new EdgeError({
      code: "broker-url",
      message: "BELLWETHER_MQTT_PASSWORD is set but the URL names no user",
      where: "--broker",
      hint: "Write mqtt://user@host:1883, or unset the variable.",
    });
  }
  url.password = encodeURIComponent(password);
  return url.href;
}

/** For people's eyes: without the password. */
function safeUrl(text: string): string {
  const url = new URL(text);
  url.password = "";
  return url.href;
}
