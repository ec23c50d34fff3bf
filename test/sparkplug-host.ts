/**
 * A host application of Sparkplug B for tests: it reads with the library of Eclipse Tahu, keeps what a
 * host keeps, and collects every rule of the specification that an edge node has broken.
 */

import sparkplug from "sparkplug-payload";

type UPayload = ReturnType<NonNullable<ReturnType<typeof sparkplug.get>>["decodePayload"]>;
type HostMetric = NonNullable<UPayload["metrics"]>[number];

const tahu = libraryOf("spBv1.0");

export const REBIRTH = "Node Control/Rebirth";

function libraryOf(namespace: string) {
  const found = sparkplug.get(namespace);
  if (found === null) throw new Error(`sparkplug-payload does not know ${namespace}`);
  return found;
}

export function decodePayload(bytes: Uint8Array): UPayload {
  return tahu.decodePayload(bytes);
}

export function rebirthCommand(value = true): Uint8Array {
  return tahu.encodePayload({
    timestamp: 1_767_225_600_000,
    metrics: [{ name: REBIRTH, type: "Boolean", value }],
  });
}

export type Seen = Map<string, { readonly type: string; readonly value: unknown }>;

export class SparkplugHost {
  readonly problems: string[] = [];
  readonly edge: Seen = new Map();
  /** Of devices that are alive. */
  readonly devices = new Map<string, Seen>();
  readonly kinds: string[] = [];
  alive = false;
  bdSeq: number | undefined;
  births = 0;
  #seq = -1;
  readonly #group: string;
  readonly #edgeNode: string;

  constructor(group: string, edgeNode: string) {
    this.#group = group;
    this.#edgeNode = edgeNode;
  }

  /** One message as it comes from the broker. */
  take(topic: string, bytes: Uint8Array): void {
    const [space, group, kind = "", edgeNode, device, ...rest] = topic.split("/");
    this.kinds.push(kind);
    const isOurs = space === "spBv1.0" && group === this.#group && edgeNode === this.#edgeNode;
    this.#rule(isOurs && rest.length === 0, `${topic} is a topic of the edge node`);
    this.#rule(kind.startsWith("D") === (device !== undefined), `${topic} names a device rightly`);
    const payload = decodePayload(bytes);
    const metrics = payload.metrics ?? [];
    this.#rule(Number(payload.timestamp) > 0, `${kind} has a time`);
    for (const { name, type } of metrics) {
      this.#rule(Boolean(name) && Boolean(type), `every metric of ${kind} has a name and a type`);
    }
    this.#rule(
      new Set(metrics.map(({ name }) => name)).size === metrics.length,
      "names are unique",
    );
    if (kind === "NDEATH") return this.#die(payload);
    this.#number(kind, Number(payload.seq ?? -1));
    if (kind === "NBIRTH") return this.#bear(metrics);
    this.#rule(this.alive, `${kind} comes after NBIRTH`);
    if (kind === "NDATA") return this.#update("NDATA", this.edge, metrics);
    if (kind === "DBIRTH") {
      this.devices.set(device ?? "", seen(metrics));
    } else if (kind === "DDATA") {
      const known = this.devices.get(device ?? "");
      this.#rule(known !== undefined, `DDATA of ${device} comes after its birth`);
      this.#update("DDATA", known ?? new Map(), metrics);
    } else if (kind === "DDEATH") {
      this.#rule(this.devices.delete(device ?? ""), `DDEATH of ${device} comes after its birth`);
    } else this.#rule(false, `${kind} is a kind of message`);
  }

  #number(kind: string, seq: number): void {
    const wanted = kind === "NBIRTH" ? 0 : (this.#seq + 1) % 256;
    this.#rule(seq === wanted, `${kind} has number ${wanted}, not ${seq}`);
    this.#seq = seq;
  }

  #bear(metrics: readonly HostMetric[]): void {
    const all = seen(metrics);
    const bdSeq = Number(all.get("bdSeq")?.value);
    this.#rule(all.get("bdSeq")?.type === "Int64", "bdSeq is an Int64");
    this.#rule(bdSeq >= 0 && bdSeq < 256, "bdSeq is 0 to 255");
    this.#rule(all.get(REBIRTH)?.value === false, "a birth has Rebirth, which is false");
    this.#rule(!this.alive || bdSeq === this.bdSeq, "a rebirth keeps bdSeq");
    this.bdSeq = bdSeq;
    this.alive = true;
    this.births++;
    this.devices.clear();
    this.edge.clear();
    for (const [name, value] of all) this.edge.set(name, value);
  }

  #die({ metrics = [], seq }: UPayload): void {
    this.#rule(seq === undefined || seq === null || !Number(seq), "NDEATH has no number");
    const all = seen(metrics ?? []);
    this.#rule([...all.keys()].join() === "bdSeq", "NDEATH has bdSeq alone");
    // A host passes over the death of another session.
    if (Number(all.get("bdSeq")?.value) !== this.bdSeq) return;
    this.alive = false;
    this.devices.clear();
  }

  #update(kind: string, known: Seen, metrics: readonly HostMetric[]): void {
    this.#rule(metrics.length > 0, `${kind} says something`);
    for (const [name, { type, value }] of seen(metrics)) {
      this.#rule(known.get(name)?.type === type, `${kind} has ${name} as its birth had it`);
      this.#rule(known.get(name)?.value !== value, `${kind} says of ${name} what has changed`);
      known.set(name, { type, value });
    }
  }

  #rule(holds: boolean, words: string): void {
    if (!holds) this.problems.push(words);
  }
}

function seen(metrics: readonly HostMetric[]): Seen {
  return new Map(
    metrics.map(({ name, type, value }) => [
      String(name),
      { type: String(type), value: plain(value) },
    ]),
  );
}

/** The library has 64-bit numbers as objects. */
function plain(value: unknown): unknown {
  const isLong = typeof value === "object" && value !== null && "low" in value;
  return isLong ? Number(value) : (value ?? null);
}
