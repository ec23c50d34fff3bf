/**
 * Where operators' requests arrive, over MQTT or HTTP, and are answered: read, carried out one after
 * the other, told.
 *
 * It knows no request by name: `src/wire/requests.ts` says what there is, and whoever opens the desk
 * says what is done. Who may ask was decided before (`access.ts`, `http-rules.ts`). A request is
 * carried out whole or not at all: what is done checks everything before it writes anything, and
 * requests do not overlap.
 */

import { EdgeError } from "../../src/assert.ts";
import type { BridgeEvent } from "../../src/wire/public.ts";
import { PUBLIC_VERSION } from "../../src/wire/public.ts";
import {
  type DataOf,
  isRequestName,
  REQUEST_BYTES_MAX,
  REQUEST_NAMES,
  REQUESTS,
  type RequestName,
  type RequestOf,
  type RequestResponse,
  type Transaction,
  TransactionSchema,
} from "../../src/wire/requests.ts";
import type { Log } from "../broker/link.ts";

/** Who asks, as people are told. */
export type Asker = {
  /** The user's name; undefined on a broker of somebody else, which does not say. */
  readonly user: string | undefined;
  readonly via: "MQTT" | "HTTP";
};

type Data = Readonly<Record<string, unknown>>;

/** What was done: the answer, and for the diary what it was done with. */
export type Done<Data> = {
  readonly data: Data;
  /** `release 7`, `collar-7`; never a secret. */
  readonly what?: string;
  readonly node?: string;
  readonly release?: number;
};

/** What carries requests out. One that is missing is answered with `request-unavailable`. Throws
 * `EdgeError` for what cannot be done, and has changed nothing then. */
export type RequestTable = {
  readonly [Name in RequestName]?: (
    request: RequestOf<Name>,
    asker: Asker,
  ) => Done<DataOf<Name>> | Promise<Done<DataOf<Name>>>;
};

export type RequestDeskOptions = {
  readonly table: RequestTable;
  readonly tellDiary: (entry: Omit<BridgeEvent, "v" | "time">) => void;
  readonly log: Log;
};

/** Requests that wait for the one that is being carried out: people ask one by one. */
const WAITING_MAX = 16;

export class RequestDesk {
  readonly #options: RequestDeskOptions;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(options: RequestDeskOptions) {
    this.#options = options;
  }

  /** What goes wrong is an answer; only a bug of ours is thrown. */
  async answer(name: string, payload: Uint8Array, asker: Asker): Promise<RequestResponse> {
    if (this.#waiting >= WAITING_MAX) return refusal(busy(), undefined);
    this.#waiting++;
    const answered = this.#last.then(() => this.#answer(name, payload, asker));
    this.#last = answered.catch(() => undefined);
    try {
      return await answered;
    } finally {
      this.#waiting--;
    }
  }

  async #answer(name: string, payload: Uint8Array, asker: Asker): Promise<RequestResponse> {
    const { log } = this.#options;
    const { user = "somebody", via } = asker;
    let transaction: Transaction | undefined;
    try {
      const asked = readObject(payload);
      transaction = TransactionSchema.optional().catch(undefined).parse(asked.transaction);
      const done = await this.#carryOut(name, asked, asker);
      return { v: PUBLIC_VERSION, status: "ok", data: done.data, ...echo(transaction) };
    } catch (error) {
      const problem = error instanceof EdgeError ? error : failed(name, error);
      const reason = problem.message;
      log("warning", "request refused", { request: name.slice(0, TOLD_MAX), user, via, reason });
      return refusal(problem, transaction);
    }
  }

  async #carryOut(
    name: string,
    asked: Readonly<Record<string, unknown>>,
    asker: Asker,
  ): Promise<Done<Data>> {
    if (!isRequestName(name)) throw unknown(name);
    const { request, changes } = REQUESTS[name];
    const parsed = request.safeParse(asked);
    if (!parsed.success) throw invalid(name, parsed.error.issues);
    // The compiler cannot see that the request is the one that belongs to the name.
    const carryOut = this.#options.table[name] as
      | ((request: unknown, asker: Asker) => Done<Data> | Promise<Done<Data>>)
      | undefined;
    if (carryOut === undefined) throw unavailable(name);
    const done = await carryOut(parsed.data, asker);
    this.#tell(name, done, asker, changes);
    return done;
  }

  #tell(name: RequestName, done: Done<unknown>, asker: Asker, changes: boolean): void {
    const { log, tellDiary } = this.#options;
    const { user = "somebody", via } = asker;
    const what = done.what === undefined ? "" : `: ${done.what}`;
    const level = changes ? "info" : "debug";
    log(level, "request", { request: name, user, via, ...(what && { what: done.what ?? "" }) });
    if (!changes) return;
    const { node, release } = done;
    tellDiary({
      type: "request",
      message: `${user} over ${via}: ${name}${what}`,
      ...(node !== undefined && { node }),
      ...(release !== undefined && { release }),
    });
  }
}

/** Of a name or a field that somebody else chose. */
const TOLD_MAX = 80;

/** Nothing at all asks for the same as an empty object. */
function readObject(payload: Uint8Array): Record<string, unknown> {
  if (payload.length > REQUEST_BYTES_MAX) {
    throw new EdgeError({
      code: "request-oversized",
      message: `more than ${REQUEST_BYTES_MAX} bytes`,
      where: "request",
      hint: "A model that is larger comes in parts: models/part, as `bellwether models push` does it.",
    });
  }
  if (payload.length === 0) return {};
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Told below, like an array or a number.
  }
  throw new EdgeError({
    code: "request-json",
    message: "is no JSON object",
    where: "request",
    hint: 'Write {} or {"transaction": "1", ...}.',
  });
}

function invalid(
  name: RequestName,
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): EdgeError {
  const problems = issues.slice(0, 5).map(({ path, message }) => {
    return `${path.length === 0 ? "" : `${path.map(String).join(".")}: `}${message}`;
  });
  return new EdgeError({
    code: "request-invalid",
    message: problems.join("; ").slice(0, 4 * TOLD_MAX),
    where: name,
    hint: "docs/TOPICS.md and docs/schemas say what each request may hold.",
  });
}

function unknown(name: string): EdgeError {
  return new EdgeError({
    code: "request-unknown",
    message: `there is no request ${JSON.stringify(name.slice(0, TOLD_MAX))}`,
    where: "request",
    hint: `There are ${REQUEST_NAMES.join(", ")}.`,
  });
}

function unavailable(name: RequestName): EdgeError {
  return new EdgeError({
    code: "request-unavailable",
    message: "this gateway has nothing to do it with",
    where: name,
    hint: "Releases need a gateway that learns, without --serve-only.",
  });
}

function busy(): EdgeError {
  return new EdgeError({
    code: "request-busy",
    message: `${WAITING_MAX} requests wait already`,
    where: "request",
    hint: "Wait for an answer before asking again.",
  });
}

/** A full disk, for example; a person is told what the system said. What no system said is a bug. */
function failed(name: string, error: unknown): EdgeError {
  if (!(error instanceof Error && "code" in error)) throw error;
  return new EdgeError({
    code: "request-failed",
    message: error.message,
    where: name.slice(0, TOLD_MAX),
    hint: "The gateway's log says more.",
  });
}

function refusal(error: EdgeError, transaction: Transaction | undefined): RequestResponse {
  const { code, hint } = error;
  return {
    v: PUBLIC_VERSION,
    status: "error",
    data: {},
    error: withoutHint(error),
    code,
    hint,
    ...echo(transaction),
  };
}

/** An `EdgeError` says all at once; here code and hint have fields of their own. */
function withoutHint({ message, code, hint }: EdgeError): string {
  return message.slice(0, message.length - ` (${code}). ${hint}`.length);
}

function echo(transaction: Transaction | undefined): { readonly transaction?: Transaction } {
  return transaction === undefined ? {} : { transaction };
}
