// SPDX-License-Identifier: Apache-2.0
import { chmodSync, closeSync, constants, lstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { checkCancelled, errnoOf, fileError } from "../../base/errors.ts";
import { FsVerityHasher } from "../../formats/fsverity/digest.ts";
import type { Installation } from "../installation.ts";
import { namesIn } from "../names.ts";
import type { DigestTable } from "../objects/digests.ts";
import { objectPath } from "../objects/paths.ts";
import { hasSealedImages, isUnsealed, sealObject } from "../seal.ts";
import type { Findings } from "./findings.ts";
import { removeWithin } from "./removal.ts";

/** The fs-verity digest of a file's content, hex; undefined where there is no such file. */
export function digestOfFile(path: string, buffer: Uint8Array = Buffer.alloc(1 << 20)): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (["ENOENT", "ELOOP", "ENOTDIR", "ENXIO"].includes(errnoOf(error) ?? "")) return undefined;
    throw fileError(error, "read", path);
  }
  try {
    const hasher = new FsVerityHasher();
    for (;;) {
      const length = readSync(fd, buffer, 0, buffer.length, null);
      if (length === 0) return Buffer.from(hasher.digest()).toString("hex");
      hasher.update(buffer.subarray(0, length));
    }
  } catch (error) {
    // An unreadable sector is damage like any other.
    if (["EIO", "EISDIR", "EBADMSG"].includes(errnoOf(error) ?? "")) return undefined;
    throw fileError(error, "read", path);
  } finally {
    closeSync(fd);
  }
}

export function isSoundObject(installation: Installation, digest: string): boolean {
  return digestOfFile(objectPath(installation, digest)) === digest;
}

interface Walk {
  readonly installation: Installation;
  readonly findings: Findings;
  /** What images need; undefined where that is not known, so that nothing counts as a leftover. */
  readonly used: DigestTable | undefined;
  readonly buffer: Uint8Array;
  readonly damaged: Set<string>;
  /** Whether mounts want every object to have fs-verity. */
  readonly sealed: boolean;
}

const variantModes: Readonly<Record<string, number>> = { ".x": 0o555, ".r": 0o444 };

/**
 * Reads every object and compares it with its name. What is damaged is taken away, so that it can come again; answers
 * those digests. Memory does not grow with the number of objects.
 */
export function checkObjects(
  installation: Installation,
  findings: Findings,
  used: DigestTable | undefined,
  signal: AbortSignal | undefined,
): ReadonlySet<string> {
  const sealed = hasSealedImages(installation);
  const walk = { installation, findings, used, buffer: Buffer.alloc(1 << 20), damaged: new Set<string>(), sealed };
  for (const folder of namesIn(installation.objects)) {
    checkCancelled(signal);
    const path = join(installation.objects, folder);
    if (!/^[0-9a-f]{2}$/.test(folder) || !lstatSync(path).isDirectory()) {
      findings.add("object", "foreign", path, "not a folder of objects", () => removeWithin(installation, path));
      continue;
    }
    for (const name of namesIn(path).sort()) checkObject(walk, folder, name);
  }
  return walk.damaged;
}

function checkObject(walk: Walk, folder: string, name: string): void {
  const { installation, findings, used, buffer, damaged } = walk;
  const path = join(installation.objects, folder, name);
  const remove = (): void => removeWithin(installation, path);
  const [, rest = "", variant = ""] = /^([0-9a-f]{62})(\.[xr])?$/.exec(name) ?? [];
  const digest = `${folder}${rest}`;
  if (rest === "") {
    const isOurs = /^[0-9a-f]{62}(\.[xr])?\.tmp-/.test(name);
    findings.add("object", isOurs ? "leftover" : "foreign", path, "not the name of an object", remove);
  } else if (used?.has(digest) === false) {
    findings.add("object", "leftover", path, "no image needs it", remove);
  } else if (digestOfFile(path, buffer) !== digest) {
    // A copy for the other mode may stay away; checkouts make it again.
    const isMended = (): boolean => [digest, variant === "" ? digest : undefined].includes(digestOfFile(path));
    findings.addOpen("object", "damaged", path, "its content has another digest", isMended);
    if (findings.mend) remove();
    if (variant === "") damaged.add(digest);
  } else {
    checkMode(findings, path, variant);
    if (walk.sealed && variant === "" && isUnsealed(installation, digest)) {
      findings.add("object", "mode", path, "fs-verity is off, so that mounts refuse it", () =>
        sealObject(installation, digest),
      );
    }
  }
}

function checkMode(findings: Findings, path: string, variant: string): void {
  const mode = lstatSync(path).mode & 0o7777;
  const wanted = variantModes[variant] ?? siblingMode(path) ?? ((mode & 0o111) === 0 ? 0o444 : 0o555);
  if (mode === wanted) return;
  const text = (value: number): string => `0${value.toString(8)}`;
  findings.add("object", "mode", path, `mode is ${text(mode)}, expected ${text(wanted)}`, () =>
    chmodSync(path, wanted),
  );
}

/** An object beside a copy for one mode has the other one. */
function siblingMode(path: string): number | undefined {
  if (lstatSync(`${path}.x`, { throwIfNoEntry: false }) !== undefined) return 0o444;
  return lstatSync(`${path}.r`, { throwIfNoEntry: false }) === undefined ? undefined : 0o555;
}
