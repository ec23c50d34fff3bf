/** Profiles of one's own: the file that `train` writes, and how commands find it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openProfile } from "../cli/profile-folder.ts";
import type { Profile } from "../src/signal/profile.ts";
import { formatProfile, PROFILE_FILE, parseProfile } from "../src/signal/profile-file.ts";
import { shippedProfile } from "../src/signal/profiles.ts";

const sheep: Profile = {
  name: "sheep",
  rateHz: 12.5,
  windowSamples: 62,
  hopSamples: 31,
  channels: 3,
  classes: ["grazing", "lying"],
  labelClass: { Grazing: "grazing", "Grazing (head up)": "grazing", Lying: "lying" },
  inputMilligPerStep: 16,
};
const FILE = { profile: sheep, dataset: "sheep_2025" };

const place = mkdtempSync(join(tmpdir(), "bellwether-profiles-"));
afterAll(() => rmSync(place, { recursive: true }));

describe("profile.json", () => {
  it("comes back as it was written", () => {
    expect(parseProfile(formatProfile(FILE), "here")).toEqual(FILE);
  });

  it.each([
    [{ format: "bellwether-profile-2" }, /"format"/],
    [{ name: "../etc" }, /"name"/],
    [{ dataset: "a/b" }, /"dataset"/],
    [{ rateHz: 0 }, /"rateHz"/],
    [{ rateHz: "25" }, /"rateHz"/],
    [{ windowSamples: 5000 }, /"windowSamples".*1024/],
    [{ hopSamples: 2.5 }, /"hopSamples"/],
    [{ channels: 6 }, /"channels"/],
    [{ classes: ["grazing"] }, /"classes"/],
    [{ classes: ["grazing", "grazing"] }, /"classes"/],
    [{ classes: ["grazing", "lying", "drinking"] }, /"labelClass"/],
    [{ labelClass: { Grazing: "grazing", Lying: "resting" } }, /"labelClass"/],
    [{ inputMilligPerStep: 0 }, /"inputMilligPerStep"/],
  ])("is refused with %j, naming the field", (change, message) => {
    const text = JSON.stringify({ ...JSON.parse(formatProfile(FILE)), ...change });
    expect(() => parseProfile(text, "here/profile.json")).toThrow(message);
    expect(() => parseProfile(text, "here/profile.json")).toThrow(/profile-file/);
  });

  it.each(["", "[]", "null", "{"])("is refused where it is %j", (text) => {
    expect(() => parseProfile(text, "here")).toThrow(/no JSON object/);
  });
});

describe("openProfile", () => {
  it("opens the folder that train wrote", () => {
    const folder = join(place, "sheep");
    mkdirSync(folder);
    writeFileSync(join(folder, PROFILE_FILE), formatProfile(FILE));
    expect(openProfile(folder)).toEqual({ folder, ...FILE });
  });

  it("knows those that ship by name, with the recordings that they are of", () => {
    const { profile, dataset } = openProfile("cattle");
    expect(profile).toEqual(shippedProfile("cattle"));
    expect(dataset).toBe("cows");
  });

  it("says where it looked", () => {
    expect(() => openProfile("goats")).toThrow(/profiles.goats.profile\.json.*cattle/s);
    expect(() => openProfile("./no/goats")).toThrow(/unknown-profile.*train/s);
  });
});
