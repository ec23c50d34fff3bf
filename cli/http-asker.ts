/**
 * Asks a running gateway for something over HTTP, by the page's address: for a gateway that is a
 * client of a broker whose users we are not.
 */

import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { EdgeError } from "../src/assert.ts";
import { type RequestName, responseSchema } from "../src/wire/requests.ts";
import type { Asker } from "./mqtt-client.ts";

export type HttpAskerOptions = {
  /** `http://127.0.0.1:8811` */
  readonly url: string;
  /** Who signed its certificate, PEM. */
  readonly ca: Uint8Array | undefined;
  readonly user: string;
  readonly password: string;
  /** `bridge/info`, as it comes. */
  readonly onInfo: (json: string) => void;
};

const ANSWER_MS = 15_000;
const LOOK_MS = 250;

type Answer = { readonly status: number; readonly text: string };

/** Throws `EdgeError` `gateway-refused` where nothing answers, or nobody who may be asked. */
export async function openHttpAsker(options: HttpAskerOptions): Promise<Asker> {
  const look = async (): Promise<void> => {
    const { status, text } = await ask(options, "GET", "/api/state");
    if (status !== 200) throw refused(options, text);
    const { changes } = JSON.parse(text) as {
      readonly changes: readonly { readonly kind: string; readonly value: unknown }[];
    };
    const info = changes.find(({ kind }) => kind === "info")?.value;
    if (info !== undefined) options.onInfo(JSON.stringify(info));
  };
  await look();
  const looking = setInterval(() => {
    // What is asked for says that nobody answers; this is only how things are.
    look().catch(() => undefined);
  }, LOOK_MS);
  return {
    ask: async (name: RequestName, request: object) => {
      const body = JSON.stringify(request);
      const { status, text } = await ask(options, "POST", `/api/request/${name}`, body);
      if (![200, 400, 409].includes(status)) throw refused(options, text);
      return responseSchema(name).parse(JSON.parse(text));
    },
    close: () => {
      clearInterval(looking);
      return Promise.resolve();
    },
  };
}

function ask(
  options: HttpAskerOptions,
  method: "GET" | "POST",
  path: string,
  body = "",
): Promise<Answer> {
  const { url, ca, user, password } = options;
  const secure = url.startsWith("https:");
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(refused(options, error.message));
    const asked = (secure ? requestSecure : requestPlain)(
      new URL(path, url),
      {
        method,
        auth: `${user}:${password}`,
        timeout: ANSWER_MS,
        headers: {
          ...(method === "POST" && { "content-type": "application/json", origin: url }),
          "content-length": Buffer.byteLength(body),
        },
        ...(ca !== undefined && { ca: Buffer.from(ca) }),
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", fail);
        response.on("end", () => {
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() });
        });
      },
    );
    asked.on("timeout", () => asked.destroy(new Error("no answer came")));
    asked.on("error", fail);
    asked.end(body);
  });
}

function refused({ url }: HttpAskerOptions, reason: string): EdgeError {
  return new EdgeError({
    code: "gateway-refused",
    message: reason.trim().slice(0, 200),
    where: url,
    hint:
      "With a broker of yours the gateway is asked at its page's address (http in the settings). " +
      "Or name an operator on that broker: --broker mqtt://NAME:PASSWORD@host:1883.",
  });
}
