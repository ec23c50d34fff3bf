/**
 * Models that come in parts, until they are pushed: one at a time, in memory.
 *
 * Parts come in order. One that comes again, since its answer was lost, is written over what it wrote;
 * a new name is the end of what came under another. Nothing is checked but lengths: what the parts
 * make is looked at when it is pushed, like a model that came whole.
 */

import { EdgeError } from "../../src/assert.ts";
import { MODEL_PARTS, type ModelPart, UPLOAD_BYTES_MAX } from "../../src/wire/model-upload.ts";
import type { Kept } from "../release/release-desk.ts";

type Upload = { readonly name: string; readonly parts: Record<ModelPart, Uint8Array> };

export class ModelUploads {
  #upload: Upload | undefined;

  /** Returns how much of this part is there now. Throws `EdgeError` `upload-…`. */
  take(
    name: string,
    { part, offset, bytes }: { part: ModelPart; offset: number; bytes: Uint8Array },
  ): number {
    const upload = this.#upload?.name === name ? this.#upload : begin(name);
    const before = upload.parts[part];
    if (offset > before.length) {
      const message = `${before.length} bytes of the ${part} are there, not ${offset}`;
      throw refused("upload-gap", message, "Send the parts in order, the first at 0.");
    }
    if (offset + bytes.length > UPLOAD_BYTES_MAX[part]) {
      const message = `a ${part} has at most ${UPLOAD_BYTES_MAX[part]} bytes`;
      throw refused("upload-oversized", message, "Bring a smaller model.");
    }
    const after = new Uint8Array(offset + bytes.length);
    after.set(before.subarray(0, offset));
    after.set(bytes, offset);
    upload.parts[part] = after;
    this.#upload = upload;
    return after.length;
  }

  /** What came under a name. Throws `EdgeError` `upload-unknown`. */
  find(name: string): Kept {
    const parts = this.#upload?.name === name ? this.#upload.parts : undefined;
    if (parts === undefined || parts.container.length === 0) {
      const message = `no container came in parts as ${JSON.stringify(name)}`;
      const hint = "Send it by models/part; another upload, and a restart, end one that has begun.";
      throw refused("upload-unknown", message, hint);
    }
    const { container, student } = parts;
    return { container, student: student.length === 0 ? undefined : student };
  }

  /** What was pushed is in the registry. */
  end(): void {
    this.#upload = undefined;
  }
}

function begin(name: string): Upload {
  const parts = Object.fromEntries(MODEL_PARTS.map((part) => [part, new Uint8Array(0)]));
  return { name, parts: parts as Record<ModelPart, Uint8Array> };
}

function refused(code: string, message: string, hint: string): EdgeError {
  return new EdgeError({ code, message, where: "models/part", hint });
}
