/**
 * The seam between the node program and what survives a power cut.
 *
 * There are two real sides: memory (`memory-storage.ts`, for fleets that leave nothing behind) and
 * files (`outbox-file.ts`, `slot-files.ts`). One suite of tests runs against both. Nothing here
 * decides anything: what is written, and when, is the node's business.
 */

/** What a node owes its gateway: a frame, exactly as it goes on the wire. */
export type OutboxEntry = {
  readonly seq: number;
  readonly kind: "report" | "offload";
  readonly frame: Uint8Array;
};

/** An outbox as found at boot. */
export type OutboxImage = {
  /** One life of an outbox: drawn at random when it was created, kept until it is lost. */
  readonly epoch: number;
  readonly nextSeq: number;
  readonly nextWindow: number;
  /** Entries lost because the outbox was full, since the epoch began. */
  readonly dropped: number;
  /** Oldest first. */
  readonly entries: readonly OutboxEntry[];
  /** Bytes that could not be read and were cut or stepped over; 0 on a healthy store. */
  readonly damagedBytes: number;
};

export type OutboxRecord =
  /** `nextWindow` is the node's window count when the entry was made. */
  | { readonly kind: "put"; readonly entry: OutboxEntry; readonly nextWindow: number }
  /** Acknowledged: stored for good at the gateway. */
  | { readonly kind: "remove"; readonly seqs: readonly number[] }
  /** Given up because the outbox was full; `dropped` is the new total. */
  | { readonly kind: "drop"; readonly seqs: readonly number[]; readonly dropped: number };

export type OutboxStore = {
  /** What was found at boot. */
  readonly image: OutboxImage;
  /** Hands over a record. Records become durable in the order given; `durable` is then told. */
  append(record: OutboxRecord): void;
  /** Resolves when everything handed over is durable, or has failed. */
  flush(): Promise<void>;
  /** Flushes and lets go. */
  close(): Promise<void>;
};

/** What a store tells its owner. */
export type OutboxListener = {
  /** Every put up to and including this sequence number survives a power cut. */
  durable(seq: number): void;
  /** The medium refuses writes; the store keeps the records and tries again. */
  failing(reason: string): void;
};

export type SlotNumber = 0 | 1;

/** One model slot as found in flash; null where nothing was ever written. */
export type SlotContent = {
  /** State record, written last and atomically: `slot-record.ts` has its bytes. */
  readonly record: Uint8Array | null;
  /** Manifest and signature, as offered. */
  readonly header: Uint8Array | null;
  /** The model container, or as much of it as has arrived; what lies behind is of no meaning. */
  readonly image: Uint8Array;
};

export type FlashContent = {
  /** The highest release sequence number ever accepted. */
  readonly floor: Uint8Array | null;
  /** The gate's state, saved now and then. */
  readonly gate: Uint8Array | null;
  readonly slots: readonly [SlotContent, SlotContent];
};

export type FlashWrite =
  /** Atomic: after a cut the old or the new bytes are there. What was written to the slot before is
   * durable before the record is. */
  | { readonly region: "record"; readonly slot: SlotNumber; readonly bytes: Uint8Array }
  /** Atomic. */
  | { readonly region: "floor" | "gate"; readonly bytes: Uint8Array }
  /** May be torn by a cut; a signature and hashes tell. */
  | { readonly region: "header"; readonly slot: SlotNumber; readonly bytes: Uint8Array }
  | {
      readonly region: "image";
      readonly slot: SlotNumber;
      readonly offset: number;
      readonly bytes: Uint8Array;
    };

export type Flash = {
  /** Largest container that a slot can hold. */
  readonly slotBytes: number;
  load(): Promise<FlashContent>;
  /** Writes happen in the order of the calls. Rejects when the medium refuses. */
  write(write: FlashWrite): Promise<void>;
  /** The slot's image as it now is in flash, after all writes before the call. */
  read(slot: SlotNumber): Promise<Uint8Array>;
};

/** Everything of one node that survives. */
export type NodeStorage = {
  readonly flash: Flash;
  openOutbox(options: {
    readonly newEpoch: () => number;
    readonly listener: OutboxListener;
  }): Promise<OutboxStore>;
};
