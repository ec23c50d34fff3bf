/**
 * A Home Assistant of its own for a test: started on an empty folder, its first person made, its MQTT
 * integration set up by the steps that a person takes on the page, and then asked by its own API.
 * It is a peer: nothing of it comes with the project.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { freePort, until } from "./gateway-kit.ts";

/** The command that starts one, of 2024.12 or later; undefined where nobody names one. */
export const HASS = process.env.BELLWETHER_HASS;

export type EntityState = {
  readonly entity_id: string;
  readonly state: string;
  readonly attributes: Readonly<Record<string, unknown>>;
};

type Flow = { readonly flow_id: string; readonly type: string; readonly errors?: unknown };

export class HomeAssistant {
  readonly url: string;
  readonly #child: ChildProcess;
  #token = "";
  /** As its own page keeps them. */
  #tokens: Record<string, unknown> = {};
  #log = "";

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
    child.stderr?.on("data", (bytes: Buffer) => (this.#log += bytes.toString()));
  }

  /** @param folder an empty one, for its configuration */
  static async start(program: string, folder: string): Promise<HomeAssistant> {
    const port = await freePort();
    const settings = `homeassistant: { name: Farm, time_zone: UTC, country: IS }
frontend:
http: { server_host: 127.0.0.1, server_port: ${port} }
logger: { default: warning }
`;
    writeFileSync(path.join(folder, "configuration.yaml"), settings);
    const child = spawn(program, ["--config", folder], { stdio: ["ignore", "ignore", "pipe"] });
    const home = new HomeAssistant(`http://127.0.0.1:${port}`, child);
    const answers = (): Promise<boolean> =>
      fetch(`${home.url}/api/onboarding`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until("Home Assistant", answers, 240_000);
    await home.#begin();
    return home;
  }

  /** Its first start: somebody to be, and a token for them. */
  async #begin(): Promise<void> {
    const client_id = `${this.url}/`;
    const person = { client_id, name: "Farm", username: "farm", password: "farm", language: "en" };
    const { auth_code: code } = await this.#json<{ auth_code: string }>(
      "/api/onboarding/users",
      JSON.stringify(person),
    );
    const grant = { grant_type: "authorization_code", code, client_id };
    const given = await fetch(`${this.url}/auth/token`, {
      method: "POST",
      body: new URLSearchParams(grant),
    });
    const tokens = (await given.json()) as { readonly access_token: string };
    this.#token = tokens.access_token;
    this.#tokens = { ...tokens, hassUrl: this.url, clientId: client_id, expires: 9e15 };
    for (const step of ["core_config", "analytics"]) await this.post(`/api/onboarding/${step}`, {});
    const last = { client_id, redirect_uri: client_id };
    await this.post("/api/onboarding/integration", last);
  }

  /** Settings, Devices & services, Add integration, MQTT: with what its form leaves as it is. */
  async connect(broker: URL): Promise<void> {
    const flows = "/api/config/config_entries/flow";
    const { flow_id: flow } = await this.post<Flow>(flows, { handler: "mqtt" });
    const done = await this.post<Flow>(`${flows}/${flow}`, {
      ...{ broker: broker.hostname, port: Number(broker.port), protocol: "5" },
      ...{ username: broker.username, password: broker.password },
      other_settings: { set_client_cert: false, set_ca_cert: "off", transport: "tcp" },
    });
    if (done.type !== "create_entry") throw new Error(`MQTT: ${JSON.stringify(done)}`);
  }

  states(): Promise<readonly EntityState[]> {
    return this.#json("/api/states");
  }

  async state(entity: string): Promise<EntityState | undefined> {
    return (await this.states()).find(({ entity_id: id }) => id === entity);
  }

  post<T>(where: string, what: object): Promise<T> {
    return this.#json(where, JSON.stringify(what));
  }

  /** What a template of its own makes of its devices and entities. */
  async render(template: string): Promise<string> {
    const answer = await this.#ask("/api/template", JSON.stringify({ template }));
    return answer.text();
  }

  /** For `localStorage` of its page, so that nobody needs to log in there. */
  get pageTokens(): string {
    return JSON.stringify(this.#tokens);
  }

  /** Lines in which it warns, of its MQTT integration and of whatever it made of our payloads. */
  complaints(): string[] {
    const lines = this.#log.split("\n");
    return lines.filter((line) => /WARNING|ERROR/.test(line) && /mqtt|bellwether/i.test(line));
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill();
    await ended;
  }

  async #json<T>(where: string, body?: string): Promise<T> {
    return (await (await this.#ask(where, body)).json()) as T;
  }

  async #ask(where: string, body?: string): Promise<Response> {
    const answer = await fetch(`${this.url}${where}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
      ...(body !== undefined && { body }),
    });
    if (!answer.ok) throw new Error(`${where}: ${answer.status} ${await answer.text()}`);
    return answer;
  }
}
