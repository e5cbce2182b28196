// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { baseRef } from "../interop/programs.ts";
import { addImage, sha256 } from "./layout.ts";

export interface ExtraFile {
  readonly name: string;
  readonly uri: string;
  readonly size: number;
  readonly checksum: string;
}

/** What the metadata of an app say of a file that a vendor has. */
export function extraFile(uri: string, data: Uint8Array, name = "part"): ExtraFile {
  return { name, uri, size: data.length, checksum: sha256(data) };
}

export interface ExtraImage {
  readonly ref: string;
  readonly extra: readonly ExtraFile[];
  /** Commands of the shell program `bin/apply_extra`; none where not given. */
  readonly apply?: string;
  readonly version?: string;
  /** Further lines of the group `[Extra Data]`. */
  readonly lines?: string;
  /** Where a symbolic link in the place of the folder `extra` leads. */
  readonly linkInstead?: string;
}

function metadataOf({ ref, extra, lines = "" }: ExtraImage): string {
  const [kind = "", id = ""] = ref.split("/");
  const runtime = baseRef.slice("runtime/".length);
  const head =
    kind === "app"
      ? `[Application]\nname=${id}\nruntime=${runtime}\ncommand=sh\n`
      : `[Runtime]\nname=${id}\n\n[ExtensionOf]\nref=${baseRef}\nruntime=${runtime}\n`;
  const keys = extra.map(({ name, uri, size, checksum }, at) => {
    const n = at === 0 ? "" : at;
    return `name${n}=${name}\nuri${n}=${uri}\nsize${n}=${size}\nchecksum${n}=${checksum}\n`;
  });
  return `${head}\n[Extra Data]\n${keys.join("")}${lines}`;
}

/** Adds an image with extra data to a layout folder. */
export function addExtraImage(layout: string, image: ExtraImage): void {
  mkdirSync(layout, { recursive: true });
  const tree = mkdtempSync(`${layout}-extra-`);
  const metadata = metadataOf(image);
  mkdirSync(join(tree, "files/bin"), { recursive: true });
  writeFileSync(join(tree, "metadata"), metadata);
  writeFileSync(join(tree, "files/version"), `${image.version ?? "1"}\n`);
  if (image.linkInstead !== undefined) symlinkSync(image.linkInstead, join(tree, "files/extra"));
  if (image.apply !== undefined) {
    writeFileSync(join(tree, "files/bin/apply_extra"), `#!/bin/sh\nset -eu\n${image.apply}\n`, { mode: 0o755 });
  }
  addImage(layout, { ref: image.ref, metadata, tree });
  rmSync(tree, { recursive: true });
}
