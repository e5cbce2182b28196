// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf } from "../base/errors.ts";
import { type Digest, digestAlgorithm, digestHex, isDigest } from "../oci/digest.ts";
import { makeFolder, writeFileDurably } from "../oci/durable.ts";

/**
 * Where things lie in a registry's folder. Repository names are checked before they come here; their parts never
 * start with `_`, so the folders of a repository cannot be mistaken for repositories.
 *
 *     blobs/ALGORITHM/XX/HEX                          contents, manifests too
 *     repositories/NAME/_blobs/ALGORITHM/HEX          the repository may serve this blob
 *     repositories/NAME/_manifests/ALGORITHM/HEX      holds the media type
 *     repositories/NAME/_tags/TAG                     holds the digest
 *     repositories/NAME/_referrers/ALG/HEX/ALG-HEX    a manifest (last) whose subject is another (first)
 *     uploads/ID/                                     unfinished blobs
 *     changed                                         another text after every change to a manifest or tag
 */
export class Places {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  blob(digest: Digest): string {
    const hex = digestHex(digest);
    return join(this.folder, "blobs", digestAlgorithm(digest), hex.slice(0, 2), hex);
  }

  repository(name: string): string {
    return join(this.folder, "repositories", name);
  }

  repositories(): string {
    return join(this.folder, "repositories");
  }

  blobLink(name: string, digest: Digest): string {
    return join(this.repository(name), "_blobs", digestAlgorithm(digest), digestHex(digest));
  }

  manifestLink(name: string, digest: Digest): string {
    return join(this.repository(name), "_manifests", digestAlgorithm(digest), digestHex(digest));
  }

  tags(name: string): string {
    return join(this.repository(name), "_tags");
  }

  tag(name: string, tag: string): string {
    return join(this.tags(name), tag);
  }

  referrers(name: string, subject: Digest): string {
    return join(this.repository(name), "_referrers", digestAlgorithm(subject), digestHex(subject));
  }

  referrer(name: string, subject: Digest, digest: Digest): string {
    return join(this.referrers(name, subject), `${digestAlgorithm(digest)}-${digestHex(digest)}`);
  }

  changed(): string {
    return join(this.folder, "changed");
  }

  uploads(): string {
    return join(this.folder, "uploads");
  }
}

export function digestOfReferrerName(name: string): Digest | undefined {
  const digest = name.replace("-", ":");
  return isDigest(digest) ? digest : undefined;
}

/** Size in bytes of a regular file; undefined where there is none. */
export async function sizeOfFile(path: string): Promise<number | undefined> {
  return orMissing(async () => {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  });
}

export async function readTextFile(path: string): Promise<string | undefined> {
  return orMissing(() => readFile(path, "utf8"));
}

/** The names in a folder in byte order; empty where there is no folder. */
export async function namesIn(path: string): Promise<readonly string[]> {
  const names = (await orMissing(() => readdir(path))) ?? [];
  return names.sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
}

/** Writes a small file durably, with the folders it needs. */
export async function putFile(path: string, text: string): Promise<void> {
  await makeFolder(dirname(path));
  await writeFileDurably(path, text);
}

/** True where the file was there. */
export async function removeFile(path: string): Promise<boolean> {
  return (
    (await orMissing(async () => {
      await rm(path);
      return true;
    })) ?? false
  );
}

async function orMissing<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
    throw error;
  }
}
