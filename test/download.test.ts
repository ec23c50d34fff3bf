import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type DownloadRequest, download } from "../recordings/download.ts";
import { type RangeServer, startRangeServer } from "./range-server.ts";

const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 2_654_435_761) >>> 24);
const sha256 = createHash("sha256").update(content).digest("hex");

let folder = "";
let server: RangeServer;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bellwether-download-"));
  server = await startRangeServer(content);
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

function request(change: Partial<DownloadRequest> = {}): DownloadRequest {
  const path = join(folder, "data.zip");
  const onProgress: DownloadRequest["onProgress"] = (progress) => {
    server.clientBytes = progress.bytes;
    change.onProgress?.(progress);
  };
  return { url: server.url, path, sha256, firstPauseMs: 1, ...change, onProgress };
}

describe("download", () => {
  it("fetches, checks and leaves nothing else behind", async () => {
    const seen: number[] = [];
    const result = await download(request({ onProgress: ({ bytes }) => seen.push(bytes) }));
    expect(result.sha256).toBe(sha256);
    expect(await readdir(folder)).toEqual(["data.zip"]);
    expect(Buffer.from(content).equals(await readFile(join(folder, "data.zip")))).toBe(true);
    expect(seen.at(-1)).toBe(content.length);
  });

  it("goes on where the line was cut, again and again", async () => {
    server.mischief = (n) => (n < 3 ? { kind: "cut", afterBytes: 70_000 } : { kind: "none" });
    await download(request());
    expect(server.ranges).toEqual([null, "bytes=70000-", "bytes=140000-", "bytes=210000-"]);
  });

  it("goes on in another process", async () => {
    server.mischief = () => ({ kind: "cut", afterBytes: 100_000 });
    await expect(download(request({ retries: 0 }))).rejects.toThrow(/download-cut.*goes on/s);
    server.mischief = () => ({ kind: "none" });
    await download(request());
    expect(server.ranges).toEqual([null, "bytes=100000-"]);
  });

  it("starts over when the file changed at its origin, and never mixes the two", async () => {
    server.mischief = (n) => (n === 0 ? { kind: "cut", afterBytes: 70_000 } : { kind: "none" });
    const changed = content.map((byte) => byte ^ 0xff);
    const promise = download(
      request({
        sha256: createHash("sha256").update(changed).digest("hex"),
        onProgress: ({ retrying }) => {
          if (retrying === undefined) return;
          server.content = changed;
          server.etag = '"two"';
        },
      }),
    );
    await promise;
    expect(server.ranges).toEqual([null, "bytes=70000-"]);
  });

  it("starts over where the server knows no ranges", async () => {
    server.mischief = (n) => (n === 0 ? { kind: "cut", afterBytes: 70_000 } : { kind: "no-range" });
    await download(request());
    expect(server.ranges).toHaveLength(2);
  });

  it("refuses and throws away what has another hash, so that a new try is a fresh one", async () => {
    server.content = content.map((byte, i) => (i === 150_000 ? byte ^ 1 : byte));
    await expect(download(request())).rejects.toThrow(/download-hash.*thrown away/s);
    expect(await readdir(folder)).toEqual([]);
    server.content = content;
    await download(request());
    expect(server.ranges).toEqual([null, null]);
  });

  it("tells the hash where none is expected", async () => {
    expect(await download(request({ sha256: undefined }))).toEqual({ sha256 });
  });

  it("tries again after 503 and not after 404", async () => {
    server.mischief = (n) => (n === 0 ? { kind: "status", status: 503 } : { kind: "none" });
    await download(request());
    server.mischief = () => ({ kind: "status", status: 404 });
    await expect(download(request())).rejects.toThrow(/404 Not Found.*download-status.*--url/s);
    expect(server.ranges).toHaveLength(3);
  });

  it("takes a silent connection for a cut one", async () => {
    server.mischief = (n) => (n === 0 ? { kind: "stall" } : { kind: "none" });
    const reasons: (string | undefined)[] = [];
    await download(request({ stallMs: 150, onProgress: (p) => reasons.push(p.retrying) }));
    expect(reasons.filter(Boolean)).toEqual(["no byte for 0.15 s"]);
  });

  it("stops at Ctrl-C and keeps what came", async () => {
    server.mischief = () => ({ kind: "stall" });
    const controller = new AbortController();
    const promise = download(
      request({ signal: controller.signal, onProgress: () => controller.abort() }),
    );
    await expect(promise).rejects.toThrow(/download-aborted/);
    expect(await readdir(folder)).toContain("data.zip.part");
  });

  it.each(["data.zip", "ftp://host/x", "file:///etc/passwd"])("refuses %s", async (url) => {
    await expect(download(request({ url }))).rejects.toThrow(/download-url/);
  });
});
