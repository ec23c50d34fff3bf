/**
 * The storage of a browser's page, worked from here: every call goes to a page in Chromium, where the
 * module itself runs over the browser's own IndexedDB. For the suite that all storages pass.
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import type {
  FlashContent,
  FlashWrite,
  NodeStorage,
  OutboxImage,
  OutboxListener,
  OutboxRecord,
  OutboxStore,
} from "../device-sim/storage.ts";
import { type HttpListener, listenHttp } from "../gateway/http/http-listener.ts";
import { phoneRoutes } from "../gateway/http/phone-routes.ts";
import { Chromium } from "./chromium.ts";
import { until } from "./gateway-kit.ts";
import { ROOT } from "./house-sources.ts";

/** Bytes as `{ u8: [...] }`, since only JSON goes to and fro. */
const PAGE_SCRIPT = `(async () => {
  const { openIndexedStorage } = await import("/node/m/device-sim/browser/indexed-storage.ts");
  const fromJson = (value) => JSON.parse(value, (_, v) => v?.u8 ? Uint8Array.from(v.u8) : v);
  const toJson = (value) =>
    JSON.stringify(value, (_, v) => v instanceof Uint8Array ? { u8: [...v] } : v);
  const opened = [];
  const stores = [];
  window.storageCall = async (what, json) => {
    const given = fromJson(json);
    const done = await CALLS[what](given);
    return toJson(done ?? null);
  };
  const CALLS = {
    open: async ({ name, slotBytes }) => opened.push(await openIndexedStorage(name, slotBytes)) - 1,
    outbox: async ({ of, epoch }) => {
      const durable = [];
      const listener = { durable: (seq) => durable.push(seq), failing: (r) => { throw new Error(r); } };
      const store = await opened[of].openOutbox({ newEpoch: () => epoch, listener });
      return { store: stores.push({ store, durable }) - 1, image: store.image };
    },
    records: async ({ of, records, end }) => {
      const { store, durable } = stores[of];
      for (const record of records) store.append(record);
      await store[end]();
      return durable.splice(0);
    },
    load: ({ of }) => opened[of].flash.load(),
    read: ({ of, slot }) => opened[of].flash.read(slot),
    write: ({ of, write }) => opened[of].flash.write(write),
    // One listener each: the browser begins what one of them asked for before it calls the next.
    leaving: ({ of, records }) => {
      for (const record of records) addEventListener("pagehide", () => stores[of].store.append(record));
    },
  };
})()`;

export class PageStorages {
  #chromium: Chromium | undefined;
  #listener: HttpListener | undefined;
  #made = 0;

  /** What an expression of the page is worth. */
  async value<T>(expression: string): Promise<T> {
    if (this.#chromium === undefined) throw new Error("start it first");
    return this.#chromium.value<T>(expression);
  }

  async start(program: string): Promise<void> {
    const factory = readFileSync(path.join(ROOT, "profiles/people/student.bwm"));
    const about = {
      v: 1,
      base: "bellwether",
      profile: "people",
      websocket: null,
      key: null,
      emulator: false,
    } as const;
    const routes = phoneRoutes({ factory, emulator: undefined }, () => about);
    const parts = { authentication: undefined, certificates: undefined, log: () => undefined };
    this.#listener = await listenHttp({ host: "127.0.0.1", port: 0, names: [] }, routes, parts);
    this.#chromium = await Chromium.start(program);
    await this.#openPage(this.#chromium, this.#listener.url);
  }

  async #openPage(chromium: Chromium, url: string): Promise<void> {
    await chromium.open(`${url}/node`, { width: 400, height: 400 });
    await until("the page", () =>
      chromium.value<boolean>(
        "window.storageCall === undefined && document.getElementById('join')?.hidden === false",
      ),
    );
    await chromium.value(PAGE_SCRIPT);
  }

  /** Appends each record in a turn of its own while the page is left; what another page finds. */
  async afterLeaving(name: string, records: readonly OutboxRecord[]): Promise<OutboxImage> {
    const slotBytes = 4096;
    const of = await this.#call<number>("open", { name, slotBytes });
    const { store } = await this.#call<{ store: number }>("outbox", { of, epoch: 1 });
    await this.#call("leaving", { of: store, records });
    if (this.#chromium === undefined) throw new Error("start it first");
    await this.#openPage(this.#chromium, this.#listener?.url ?? "");
    const again = await this.#call<number>("open", { name, slotBytes });
    return (await this.#call<{ image: OutboxImage }>("outbox", { of: again, epoch: 2 })).image;
  }

  async stop(): Promise<void> {
    await this.#chromium?.close();
    await this.#listener?.close();
  }

  /** A database of its own. */
  create(slotBytes: number): Promise<NodeStorage & { readonly name: string }> {
    return this.open(`storage-${this.#made++}`, slotBytes);
  }

  async open(name: string, slotBytes: number): Promise<NodeStorage & { readonly name: string }> {
    const of = await this.#call<number>("open", { name, slotBytes });
    return {
      name,
      flash: {
        slotBytes,
        load: () => this.#call<FlashContent>("load", { of }),
        read: (slot) => this.#call<Uint8Array>("read", { of, slot }),
        write: (write: FlashWrite) => this.#call<undefined>("write", { of, write }),
      },
      openOutbox: async ({ newEpoch, listener }) => {
        const opened = await this.#call<{ store: number; image: OutboxImage }>("outbox", {
          of,
          epoch: newEpoch(),
        });
        return this.#store(opened.store, opened.image, listener);
      },
    };
  }

  /** Records are handed over with the next flush: nobody looks before. */
  #store(of: number, image: OutboxImage, listener: OutboxListener): OutboxStore {
    let records: OutboxRecord[] = [];
    const hand = async (end: "flush" | "close"): Promise<void> => {
      const handed = records;
      records = [];
      const durable = await this.#call<number[]>("records", { of, records: handed, end });
      for (const seq of durable) listener.durable(seq);
    };
    return {
      image,
      append: (record) => {
        records.push(record);
      },
      flush: () => hand("flush"),
      close: () => hand("close"),
    };
  }

  async #call<T>(what: string, given: object): Promise<T> {
    const json = JSON.stringify(given, (_, value: unknown) =>
      value instanceof Uint8Array ? { u8: [...value] } : value,
    );
    const call = `storageCall(${JSON.stringify(what)}, ${JSON.stringify(json)})`;
    const answer = (await this.#chromium?.value<string>(call)) ?? "null";
    return JSON.parse(answer, (_, value: unknown) =>
      typeof value === "object" && value !== null && "u8" in value
        ? Uint8Array.from(value.u8 as number[])
        : value,
    ) as T;
  }
}
