/**
 * A model that one request cannot hold, in parts: `models/part` brings them, `models/push` names what
 * they make. Over MQTT a request is one packet, and a container of 40 KB with its float weights does
 * not fit into the packet that brokers are set up for.
 */

import { MODEL_LIMITS } from "../model/limits.ts";

export const MODEL_PARTS = ["container", "student"] as const;
export type ModelPart = (typeof MODEL_PARTS)[number];

/** Bytes of each file in all: the floats of the largest container take four times as much, and the
 * graph around them. */
export const UPLOAD_BYTES_MAX: Readonly<Record<ModelPart, number>> = {
  container: MODEL_LIMITS.containerBytes,
  student: 8 * MODEL_LIMITS.containerBytes,
};

/** Of one request, a multiple of 3: base64 makes 176 KiB of it. */
const PART_BYTES = 132 * 1024;
/** The length of a request in base64 up to which one is enough. */
const WHOLE_BASE64_MAX = 240 * 1024;

export type PartRequest = {
  readonly upload: string;
  readonly part: ModelPart;
  readonly offset: number;
  readonly bytes: string;
};

export type PushRequest =
  | { readonly upload: string }
  | Readonly<Partial<Record<ModelPart, string>>>;

/**
 * What to ask, in this order: parts, where there must be any, and then `models/push`.
 *
 * @param upload a name of one's own for these parts
 * @param toBase64 as nobody has it in the language itself
 */
export function pushRequests(
  upload: string,
  files: { readonly container: Uint8Array; readonly student: Uint8Array | undefined },
  toBase64: (bytes: Uint8Array) => string,
): { readonly parts: readonly PartRequest[]; readonly push: PushRequest } {
  const { container, student } = files;
  const whole = { container: toBase64(container), ...(student && { student: toBase64(student) }) };
  if (whole.container.length + (whole.student?.length ?? 0) <= WHOLE_BASE64_MAX) {
    return { parts: [], push: whole };
  }
  const parts = MODEL_PARTS.flatMap((part) => {
    const bytes = files[part] ?? new Uint8Array(0);
    const count = Math.ceil(bytes.length / PART_BYTES);
    return Array.from({ length: count }, (_, index) => {
      const offset = index * PART_BYTES;
      const piece = bytes.subarray(offset, offset + PART_BYTES);
      return { upload, part, offset, bytes: toBase64(piece) };
    });
  });
  return { parts, push: { upload } };
}
