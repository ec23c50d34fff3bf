/**
 * A headless Chromium for tests, spoken to by its own protocol over a WebSocket: enough to open a
 * page, ask it something and take its picture. It is no test framework.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import WebSocket from "ws";
import { until } from "./gateway-kit.ts";

/** Undefined where there is none, and then the reason has been printed. */
export function findChromium(): string | undefined {
  const found = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find(existsSync);
  if (found === undefined) console.log("skipped: no chromium here (Debian package `chromium`)");
  return found;
}

export type Problem = { readonly what: string; readonly text: string };

type Reply = {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
};

export class Chromium {
  /** What pages complained of: exceptions, console errors, what the policy kept out. */
  readonly problems: Problem[] = [];
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #number = 0;

  private constructor(child: ChildProcess, folder: string, socket: WebSocket) {
    this.#child = child;
    this.#folder = folder;
    this.#socket = socket;
    socket.on("message", (data: Buffer) => this.#take(JSON.parse(data.toString()) as Reply));
  }

  /** @param folder of one that was killed, whose pages find what they had kept */
  static async start(
    program: string,
    folder = mkdtempSync(path.join(tmpdir(), "bellwether-chromium-")),
  ): Promise<Chromium> {
    rmSync(path.join(folder, "DevToolsActivePort"), { force: true });
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
    const quiet = ["--no-first-run", "--disable-background-networking", "--mute-audio"];
    const child = spawn(
      program,
      [...flags, ...quiet, "--remote-debugging-port=0", `--user-data-dir=${folder}`, "about:blank"],
      { stdio: "ignore" },
    );
    const portFile = path.join(folder, "DevToolsActivePort");
    await until("chromium", () => existsSync(portFile) && /\n\S/.test(read(portFile)), 30_000);
    const [port = ""] = read(portFile).split("\n");
    let target: string | undefined;
    await until("its page", async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/json`);
      const pages = (await answer.json()) as { type: string; webSocketDebuggerUrl: string }[];
      target = pages.find(({ type }) => type === "page")?.webSocketDebuggerUrl;
      return target !== undefined;
    });
    const socket = new WebSocket(target ?? "", { perMessageDeflate: false });
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    const chromium = new Chromium(child, folder, socket);
    for (const domain of ["Page", "Runtime", "Log", "Audits"])
      await chromium.ask(`${domain}.enable`);
    return chromium;
  }

  ask(method: string, params: object = {}): Promise<Record<string, unknown>> {
    this.#number += 1;
    const id = this.#number;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result ?? {});
        else reject(new Error(`${method}: ${error.message}`));
      });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  /** What an expression of the page is worth; promises are waited for. */
  async value<T>(expression: string): Promise<T> {
    const reply = await this.ask("Runtime.evaluate", {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    const { result, exceptionDetails } = reply as {
      result: { value: T };
      exceptionDetails?: { text: string };
    };
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text);
    return result.value;
  }

  async open(url: string, look: { width: number; height: number; dark?: boolean }): Promise<void> {
    const { width, height, dark = false } = look;
    const size = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
    await this.ask("Emulation.setDeviceMetricsOverride", size);
    await this.ask("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }],
    });
    await this.ask("Page.navigate", { url });
  }

  async picture(): Promise<Buffer> {
    const { data } = await this.ask("Page.captureScreenshot", { format: "png" });
    return Buffer.from(String(data), "base64");
  }

  /** Ends it without a word to its pages, as a phone whose battery is empty. Returns its folder. */
  async kill(): Promise<string> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
    this.#socket.terminate();
    return this.#folder;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    await this.ask("Browser.close").catch(() => this.#child.kill("SIGKILL"));
    await ended;
    this.#socket.terminate();
    // Its children may still be writing for a moment.
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  #take(reply: Reply): void {
    const { id, method, params } = reply;
    if (id !== undefined) {
      this.#waiting.get(id)?.(reply);
      this.#waiting.delete(id);
      return;
    }
    const isProblem =
      method === "Runtime.exceptionThrown" ||
      method === "Audits.issueAdded" ||
      method === "Page.javascriptDialogOpening" ||
      (method === "Log.entryAdded" && JSON.stringify(params).includes('"level":"error"'));
    if (isProblem) this.problems.push({ what: method, text: JSON.stringify(params) });
  }
}

function read(file: string): string {
  return readFileSync(file, "utf8");
}
