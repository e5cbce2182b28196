// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { isSound, repair } from "../../src/engine/repair.ts";
import { addRemote, deleteRemote } from "../../src/remotes/config.ts";
import { listDeployments, refFolder } from "../../src/store/deployments.ts";
import { isMounted, lowerOf, mountPoint } from "../../src/store/shown.ts";
import { unmount } from "../../src/sys/mounts.ts";
import { TestFolder, writeApp } from "../store/images.ts";
import { big, type Damage, deploy, expectMended, files, id, type Place, place, ref } from "./repairing.ts";

/** The object of a file of the app, found by its content. */
function objectOf({ installation }: Place, content: string): string {
  for (const name of readdirSync(installation.objects, { recursive: true, encoding: "utf8" })) {
    const path = join(installation.objects, name);
    if (statSync(path).isFile() && !/\.[xr]$/.test(name) && readFileSync(path, "utf8") === content) return path;
  }
  throw new Error("no object has this content");
}

function overwrite(path: string, content: string): void {
  const { mode } = statSync(path);
  writeFileSync(path, content);
  chmodSync(path, mode);
}

/** Puts a folder or a file in the place of something else. */
function replace(path: string, what: "folder" | "file"): void {
  rmSync(path, { recursive: true });
  if (what === "folder") mkdirSync(path);
  else writeFileSync(path, "x");
}

function imageFolder({ installation, deployment }: Place): string {
  return join(installation.images, deployment.commit);
}

function layerRecord({ installation }: Place): string {
  return join(installation.layers, readdirSync(installation.layers)[0] ?? "");
}

const damages: readonly Damage[] = [
  ["an object with other content", (p) => overwrite(objectOf(p, big), "c".repeat(5000)), ["object damaged"]],
  ["an object that was cut short", (p) => overwrite(objectOf(p, big), "b".repeat(100)), ["object damaged"]],
  ["an object that anybody may write", (p) => chmodSync(objectOf(p, big), 0o666), ["object mode"]],
  [
    "no objects at all",
    (p) => rmSync(p.installation.objects, { recursive: true }),
    ["folder missing", "object missing"],
  ],
  ["an image without its composefs file", (p) => unlinkSync(join(imageFolder(p), "image.cfs")), ["image damaged"]],
  ["a damaged composefs file", (p) => writeFileSync(join(imageFolder(p), "image.cfs"), "x"), ["image damaged"]],
  ["an image without its digest", (p) => unlinkSync(join(imageFolder(p), "digest")), ["image damaged"]],
  ["a short list of objects", (p) => writeFileSync(join(imageFolder(p), "objects.list"), ""), ["image damaged"]],
  ["a malformed list of objects", (p) => writeFileSync(join(imageFolder(p), "objects.list"), "?\n"), ["image damaged"]],
  ["other metadata in the image", (p) => writeFileSync(join(imageFolder(p), "metadata"), "[x]\n"), ["image damaged"]],
  ["a damaged manifest", (p) => appendFileSync(join(imageFolder(p), "manifest.json"), " "), ["image damaged"]],
  ["a damaged config", (p) => appendFileSync(join(imageFolder(p), "config.json"), " "), ["image damaged"]],
  ["no image", (p) => rmSync(imageFolder(p), { recursive: true }), ["image missing"]],
  ["no record of a layer", (p) => unlinkSync(layerRecord(p)), ["layer missing"]],
  ["a malformed record of a layer", (p) => writeFileSync(layerRecord(p), "{"), ["layer damaged"]],
  ["a record of a layer that lies", (p) => appendFileSync(layerRecord(p), '["d","files/more",1]\n'), ["layer damaged"]],
  ["a folder in place of a record", (p) => replace(layerRecord(p), "folder"), ["layer damaged"]],
  [
    "a malformed record of extra data",
    (p) => writeFileSync(join(imageFolder(p), "record-extra"), "x"),
    ["layer damaged"],
  ],
  ["a file in place of an image", (p) => replace(imageFolder(p), "file"), ["image damaged"]],
  ["no deploy.json", (p) => unlinkSync(join(p.deployment.path, "deploy.json")), ["deployment missing"]],
  [
    "a malformed deploy.json",
    (p) => writeFileSync(join(p.deployment.path, "deploy.json"), "{"),
    ["deployment missing"],
  ],
  ["other metadata", (p) => writeFileSync(join(p.deployment.path, "metadata"), "[x]\n"), ["deployment damaged"]],
  ["no link to the files", (p) => unlinkSync(join(p.deployment.path, "files")), ["deployment damaged"]],
  ["a foreign export", (p) => writeFileSync(join(p.deployment.path, "export/evil"), ""), ["deployment damaged"]],
  ["the whole deployment gone", (p) => rmSync(p.deployment.path, { recursive: true }), ["deployment missing"]],
  ["no active link", (p) => unlinkSync(join(p.deployment.path, "../active")), ["link missing"]],
  [
    "an active link to what never was",
    (p) => {
      unlinkSync(join(p.deployment.path, "../active"));
      symlinkSync("0".repeat(64), join(p.deployment.path, "../active"));
    },
    ["link damaged"],
  ],
  ["no current link", (p) => unlinkSync(join(p.installation.path, "app", id, "current")), ["link missing"]],
  ["no exports", (p) => rmSync(p.installation.exports, { recursive: true }), ["folder missing", "export missing"]],
  [
    "a file in place of exported folders",
    (p) => replace(join(p.installation.exports, "share"), "file"),
    ["export missing"],
  ],
  [
    "files in place of all folders",
    ({ installation: { objects, layers, images, exports, tmp } }) => {
      for (const path of [objects, layers, images, exports, tmp]) replace(path, "file");
    },
    ["folder damaged"],
  ],
  [
    "foreign exports",
    (p) => {
      symlinkSync("/etc/passwd", join(p.installation.exports, "share/applications/evil.desktop"));
      symlinkSync("../../../app/org.gone/current/active/export/x", join(p.installation.exports, "share/gone"));
    },
    ["export foreign", "export dangling"],
  ],
  [
    "leftovers",
    (p) => {
      mkdirSync(join(p.installation.tmp, "deploy-xxxxxx"));
      writeFileSync(join(p.installation.path, "remotes.conf.tmp-1-1"), "");
      mkdirSync(join(p.installation.objects, "00"), { recursive: true });
      writeFileSync(join(p.installation.objects, "00", "0".repeat(62)), "");
      writeFileSync(join(p.installation.layers, "0".repeat(64)), "");
      mkdirSync(join(p.installation.images, "0".repeat(64)));
    },
    ["temporary leftover", "object leftover", "image leftover"],
  ],
];

const checkoutDamages: readonly Damage[] = [
  [
    "a file missing in the checkout",
    (p) => unlinkSync(join(p.deployment.path, "root/app/share/big")),
    ["deployment damaged"],
  ],
  [
    "a file too much in the checkout",
    (p) => writeFileSync(join(p.deployment.path, "root/app/more"), ""),
    ["deployment damaged"],
  ],
  [
    "a small file with other content",
    (p) => overwrite(join(p.deployment.path, "root/app/share/small"), "TINY"),
    ["deployment damaged"],
  ],
  [
    "a link that leads elsewhere",
    (p) => {
      unlinkSync(join(p.deployment.path, "root/app/lib/link"));
      symlinkSync("/etc", join(p.deployment.path, "root/app/lib/link"));
    },
    ["deployment damaged"],
  ],
];

const composefsDamages: readonly Damage[] = [
  ["an image that is not mounted", (p) => unmount(lowerOf(p.deployment)), ["mount missing"]],
  ["a mount that nothing needs", (p) => mkdirSync(mountPoint(p.installation.path, "f".repeat(64))), ["mount leftover"]],
];

for (const shownAs of ["composefs", "checkout"] as const) {
  describe(`repair() of an installation shown by ${shownAs}`, () => {
    test("finds nothing in a sound one", async () => {
      using folder = new TestFolder();
      const { installation } = await place(folder, shownAs);
      expect(await repair(installation, { dryRun: true })).toEqual([]);
      expect(await repair(installation, { dryRun: false })).toEqual([]);
    });

    for (const [name, damage, found] of [
      ...damages,
      ...(shownAs === "checkout" ? checkoutDamages : composefsDamages),
    ]) {
      test(`finds and mends ${name}`, async () => {
        await expectMended(shownAs, damage, found);
      });
    }
  });
}

describe("repair()", () => {
  test("takes objects back from a checkout without fetching anything", async () => {
    using folder = new TestFolder();
    const there = await place(folder, "checkout");
    unlinkSync(objectOf(there, big));
    rmSync(there.layout, { recursive: true });
    const findings = await repair(there.installation, { dryRun: false });
    expect(findings.map(({ kind, what, mended }) => [kind, what, mended])).toEqual([["object", "missing", true]]);
    expect(await repair(there.installation, { dryRun: true })).toEqual([]);
  });

  test("says what it cannot mend, and why, where the origin has gone", async () => {
    using folder = new TestFolder();
    const there = await place(folder, "composefs");
    unlinkSync(objectOf(there, big));
    rmSync(there.layout, { recursive: true });
    const warnings: string[] = [];
    const findings = await repair(there.installation, {
      dryRun: false,
      report: (event) => void (event.type === "warning" && warnings.push(event.text)),
    });
    expect(findings.map(({ kind, what, mended }) => [kind, what, mended])).toEqual([["object", "missing", false]]);
    expect(isSound(findings)).toBe(false);
    expect(warnings.join()).toContain("cannot be fetched again");
    expect(existsSync(there.deployment.path)).toBe(true);
  });

  test("mends a version that is kept to go back to, and leaves it inactive", async () => {
    using folder = new TestFolder();
    const there = await place(folder, "composefs");
    const newer = await deploy(there.installation, writeApp(folder, id, { ...files, "files/new": "n".repeat(100) }));
    writeFileSync(join(there.deployment.path, "deploy.json"), "");
    unlinkSync(objectOf(there, big));
    const findings = await repair(there.installation, { dryRun: false });
    expect(findings.every(({ mended }) => mended)).toBe(true);
    expect(readlinkSync(join(refFolder(there.installation, ref), "active"))).toBe(newer.commit);
    expect(isMounted(lowerOf(there.deployment))).toBe(true);
    expect(readFileSync(join(lowerOf(newer), "app/share/big"), "utf8")).toBe(big);
  });

  test("names settings that cannot be read, or that are lost, and leaves them to a person", async () => {
    using folder = new TestFolder();
    const { installation } = await place(folder, "composefs");
    const url = "oci+https://registry.example.org/apps";
    await addRemote(installation, "apps", { url });
    await addRemote(installation, "gone", { url });
    await deleteRemote(installation, "gone");
    expect(await repair(installation, { dryRun: true })).toEqual([]);
    const remotes = join(installation.path, "remotes.conf");
    const policy = join(installation.path, "policy.json");
    writeFileSync(remotes, "[remote");
    writeFileSync(policy, "{");
    const findings = await repair(installation, { dryRun: false });
    expect(findings).toEqual([
      expect.objectContaining({ kind: "settings", what: "damaged", path: remotes, mended: false }),
      expect.objectContaining({ kind: "settings", what: "damaged", path: policy, mended: false }),
    ]);
    expect(findings[0]?.detail).toContain(`the remotes were apps ${url}`);
    expect(findings[0]?.detail).not.toContain("gone");
    expect(isSound(findings)).toBe(false);
    expect(readFileSync(remotes, "utf8")).toBe("[remote");
    unlinkSync(remotes);
    unlinkSync(policy);
    const lost = await repair(installation, { dryRun: true });
    expect(lost.map(({ kind, what, detail }) => [kind, what, detail])).toEqual([
      ["settings", "missing", `add the remotes again: apps ${url}`],
    ]);
  });

  test("removes what an interrupted install left", async () => {
    using folder = new TestFolder();
    const there = await place(folder, "composefs");
    const other = refFolder(there.installation, { ...ref, branch: "beta" });
    mkdirSync(join(other, "0".repeat(64)), { recursive: true });
    const findings = await repair(there.installation, { dryRun: false });
    expect(findings.map(({ kind, what, mended }) => [kind, what, mended])).toEqual([["deployment", "leftover", true]]);
    expect(existsSync(other)).toBe(false);
  });
});

describe("listDeployments()", () => {
  test("leaves out a damaged deployment, and tells of it", async () => {
    using folder = new TestFolder();
    const there = await place(folder, "composefs");
    const other = await deploy(there.installation, writeApp(folder, "org.test.Other", { "files/x": "x" }));
    writeFileSync(join(there.deployment.path, "deploy.json"), "{");
    const told: string[] = [];
    const found = listDeployments(there.installation, ({ message }) => told.push(message));
    expect(found.map(({ ref: one }) => one.id)).toEqual([other.ref.id]);
    expect(told.join()).toContain(join(there.deployment.path, "deploy.json"));
  });
});
