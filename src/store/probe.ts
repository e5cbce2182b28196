// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readFileSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf, fileError, isDowelError } from "../base/errors.ts";
import { fsVerityDigest } from "../formats/fsverity/digest.ts";
import { checkOverlayOver, mountComposefs, unmount } from "../sys/mounts.ts";
import { makeTempFolder } from "../sys/tempfolder.ts";
import { enableVerity } from "../sys/verity.ts";
import { composefsOf } from "./image/composefs.ts";
import { newFolder } from "./image/tree.ts";
import type { Installation } from "./installation.ts";
import { objectName } from "./objects/paths.ts";
import { isMounted, lowerOf, runFolder } from "./shown.ts";
import { isRootsOwn } from "./trust.ts";
import type { Deployment, ShownAs } from "./types.ts";

/**
 * How an installation shows its images. Composefs needs root, an installation that only root can change, and a kernel
 * and file system that can do it, with fs-verity where the file system has it: that is tried by a real mount, once for
 * each boot and file system, and remembered in `/run/dowel`. Throws `NO_SPACE` where there is no room to try.
 */
export function chooseShownAs(installation: Installation): ShownAs {
  if (process.geteuid?.() !== 0 || !isRootsOwn(installation)) return "checkout";
  const { dev } = statSync(installation.tmp);
  // A number without a device behind it goes to another file system when the first is unmounted.
  const { type } = statfsSync(installation.tmp);
  const answer = join(runFolder, `composefs-${dev}-${type.toString(16)}`);
  const boot = bootId();
  const known = readAnswer(answer, boot);
  if (known !== undefined) return known;
  const found: ShownAs = tryMount(installation) ? "composefs" : "checkout";
  try {
    mkdirSync(runFolder, { recursive: true, mode: 0o755 });
    writeFileSync(answer, `${boot} ${found}\n`);
  } catch {
    // Without a place to remember it the next change just tries again.
  }
  return found;
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

function readAnswer(path: string, boot: string): ShownAs | undefined {
  try {
    const [when, answer] = readFileSync(path, "utf8").trim().split(" ");
    return when === boot && (answer === "composefs" || answer === "checkout") ? answer : undefined;
  } catch {
    return undefined;
  }
}

/** Whether what a deployment shows by a mount can be shown like that by nobody but another caller, kernel or owner. */
export function isBeyondReach(installation: Installation, { path, shownAs, imageDigest }: Deployment): boolean {
  if (shownAs !== "composefs") return false;
  if (process.geteuid?.() !== 0 || !isRootsOwn(installation)) return true;
  if (isMounted(lowerOf({ path, shownAs, imageDigest }))) return false;
  try {
    return chooseShownAs(installation) !== "composefs";
  } catch (error) {
    if (isDowelError(error, "NO_SPACE")) return false;
    throw error;
  }
}

function tryMount(installation: Installation): boolean {
  const folder = makeTempFolder(join(installation.tmp, "probe-"));
  const target = join(folder, "mount");
  try {
    const content = Buffer.alloc(1000, "dowel");
    const digest = Buffer.from(fsVerityDigest(content)).toString("hex");
    const object = join(folder, "objects", objectName(digest));
    mkdirSync(dirname(object), { recursive: true });
    writeFileSync(object, content);
    const tree = newFolder(0, 0);
    const file = { size: content.length, digest, inline: undefined };
    tree.children.set("file", { kind: "file", content: file, executable: false, mtime: 0, layer: 0 });
    const image = join(folder, "image.cfs");
    writeFileSync(image, composefsOf(tree));
    mkdirSync(target);
    const verity = enableVerity(object) !== undefined;
    const objects = join(folder, "objects");
    mountComposefs({ image, objects, target, verity });
    // The root of a sandbox is an overlay over it, which is one too many where this is an overlay already.
    checkOverlayOver(target, objects);
    return readFileSync(join(target, "file")).equals(content);
  } catch (error) {
    // A full disk says nothing of what can be mounted.
    if (["ENOSPC", "EDQUOT"].includes(errnoOf(error) ?? "")) throw fileError(error, "write", folder);
    return false;
  } finally {
    if (isMounted(target)) unmount(target);
    rmSync(folder, { recursive: true, force: true });
  }
}
