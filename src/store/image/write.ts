// SPDX-License-Identifier: Apache-2.0
import { chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileError } from "../../base/errors.ts";
import { syncFileSystem, syncFolder } from "../../sys/durability.ts";
import { replaceFolder } from "../../sys/exchange.ts";
import { makeTempFolder } from "../../sys/tempfolder.ts";
import type { Installation } from "../installation.ts";
import { imageFolder, type MadeImage, ownRecords, type StoredImage, storedDigest, subpathsFile } from "./stored.ts";

/**
 * Writes `images/COMMIT/`, whole or not at all. The contents must be durable already. `records` are those that only this
 * image may use, by name; those that it has if not given.
 */
export function writeImage(
  installation: Installation,
  made: MadeImage,
  documents: ImageDocuments,
  records: ReadonlyMap<string, Uint8Array | string> = ownRecords(imageFolder(installation, made.image.commit)),
): StoredImage {
  using staged = stageImage(installation, made, documents, records);
  staged.sync();
  return staged.publish();
}

/** The documents of an image, as they came. */
export interface ImageDocuments {
  readonly manifest: Uint8Array;
  readonly config: Uint8Array;
}

/** An image beside its place. It goes away unless it is published. */
export interface StagedImage extends Disposable {
  /** Makes it durable, and all else that was written to this file system. */
  sync(): void;
  /** Puts it into its place, whole. It and all that it needs must be durable. */
  publish(): StoredImage;
}

/** Writes what `writeImage` does beside the place of the image. */
export function stageImage(
  installation: Installation,
  made: MadeImage,
  documents: ImageDocuments,
  records: ReadonlyMap<string, Uint8Array | string>,
): StagedImage {
  const { image } = made;
  const folder = imageFolder(installation, image.commit);
  const lacksRecords = [...records.keys()].some((name) => !existsSync(join(folder, name)));
  if (storedDigest(folder) === image.imageDigest && !lacksRecords) {
    const nothing = (): void => undefined;
    return { sync: nothing, publish: () => ({ ...image, isWhole: false }), [Symbol.dispose]: nothing };
  }
  const staged = makeTempFolder(join(installation.tmp, "image-"));
  const remove = (): void => rmSync(staged, { recursive: true, force: true });
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      remove();
      throw fileError(error, "write", folder);
    }
  };
  attempt(() => {
    for (const [name, data] of filesOfImage(made, documents, records))
      writeFileSync(join(staged, name), data, { flag: "wx", mode: 0o644 });
    chmodSync(staged, 0o755);
  });
  return {
    // one sync of everything, as each of the files would wait for the device by itself
    sync: () => attempt(() => syncFileSystem(staged)),
    publish: () => {
      attempt(() => {
        replaceFolder(staged, folder);
        syncFolder(installation.images);
      });
      return image;
    },
    [Symbol.dispose]: remove,
  };
}

function* filesOfImage(
  { image, composefs, objects }: MadeImage,
  { manifest, config }: ImageDocuments,
  records: ReadonlyMap<string, Uint8Array | string>,
): Generator<readonly [name: string, data: Uint8Array | string], void> {
  yield ["manifest.json", manifest];
  yield ["config.json", config];
  yield ["image.cfs", composefs];
  yield ["digest", `${image.imageDigest}\n`];
  yield ["metadata", image.metadata];
  yield ["download-size", `${image.downloadSize}\n`];
  yield ["objects.list", objects.encode()];
  if (image.subpaths.length > 0) yield [subpathsFile, image.subpaths.join("\n")];
  yield* records;
}
