/** A phone beyond the gateway's own machine: everything over TLS, with the gateway's own authority. */

import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openAuthority, tlsFiles, writeServer } from "../gateway/access/certificate-files.ts";
import { issueServer } from "../gateway/access/certificates.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { phoneLink } from "../src/wire/phone.ts";
import { bellwether } from "./access-kit.ts";
import { Chromium, findChromium } from "./chromium.ts";
import {
  gatewayOn,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";
import { ROOT } from "./house-sources.ts";

const program = findChromium();
const FACTORY = readFileSync(path.join(ROOT, "profiles/cattle/student.bwm"));
const PHONE = "phone-1";

describe.skipIf(program === undefined)("a phone over TLS", { timeout: 60_000 }, () => {
  let folder: string;
  let teacher: OpenTeacher;
  let gateway: RunningGateway;
  let chromium: Chromium;

  beforeAll(async () => {
    folder = temporaryFolder();
    teacher = await untrainedTeacher(folder);
    const files = tlsFiles(folder);
    const authority = openAuthority(files, "farm", Date.now());
    writeServer(files, issueServer(authority, ["localhost", "127.0.0.1"], Date.now()));
    gateway = await gatewayOn(folder, teacher, {
      yaml: [
        "data_directory: .",
        "broker: { port: 0 }",
        "access: { loopback: closed }",
        "websocket: { enabled: true, host: 0.0.0.0, port: 0 }",
        "http: { host: 0.0.0.0, port: 0 }",
      ].join("\n"),
      dependencies: { factory: FACTORY },
    });
    chromium = await Chromium.start(program ?? "");
    // In place of a person who has installed the authority's certificate.
    await chromium.ask("Security.setIgnoreCertificateErrors", { ignore: true });
  }, 60_000);

  afterAll(async () => {
    await chromium.close();
    await gateway.stop();
    await teacher.close();
    removeFolder(folder);
  });

  const textOf = (id: string): Promise<string> =>
    chromium
      .value<string>(`document.getElementById(${JSON.stringify(id)})?.textContent ?? ""`)
      .catch(() => "");
  const origin = (): string => `https://127.0.0.1:${new URL(gateway.pageUrl ?? "").port}`;
  const known = () => gateway.nodes().find(({ node }) => node === PHONE);
  const open = (link: string): Promise<void> => chromium.open(link, { width: 400, height: 800 });

  it("is told what is wrong with a code, and may try again", async () => {
    await open(phoneLink(origin(), "AAAA-BBBB", PHONE));
    await until(
      "the reason",
      async () => (await textOf("problem")).includes("does not let"),
      20_000,
    );
    expect(await textOf("problem")).toMatch(/phone-1.*bellwether nodes add/);
    expect(await chromium.value("document.getElementById('join-button').disabled")).toBe(false);
    expect(known()).toBeUndefined();
  });

  it("joins with a right one, by hand, and is on the gateway", async () => {
    const { code } = await bellwether("nodes", "add", "--data-dir", folder);
    // As people type it.
    const typed = String(code).toLowerCase().replace("-", " ");
    await chromium.value(`document.getElementById("code").value = ${JSON.stringify(typed)}`);
    await chromium.value('document.getElementById("join-button").click()');
    await until("the link", async () => (await textOf("link")) === "connected", 20_000);
    await until("the gateway to know it", () => known()?.online === true);
    expect(await chromium.value("window.isSecureContext")).toBe(true);
    expect(await textOf("problem")).toBe("");
  });

  it("is kept out once its credentials are taken away, and says so", async () => {
    await bellwether("nodes", "revoke", PHONE, "--data-dir", folder);
    await until(
      "the refusal",
      async () => (await textOf("problem")).includes("leave, and join anew"),
      20_000,
    );
    expect(await textOf("link")).toMatch(/^no link: Connection refused/);
  });

  it("is one page at a time", async () => {
    const held = "navigator.locks.query().then(({ held }) => held.map(({ name }) => name))";
    expect(await chromium.value(held)).toContain("bellwether-node");
  });
});
