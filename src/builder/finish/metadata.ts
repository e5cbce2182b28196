// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { DowelError, fileError } from "../../base/errors.ts";
import { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { parseMetadata } from "../../metadata/metadata.ts";
import { applyFinishArgs } from "../manifest/finishargs.ts";
import type { Manifest } from "../manifest/types.ts";

export interface MetadataInput {
  readonly manifest: Manifest;
  readonly arch: string;
  /** `ID/ARCH/BRANCH` of the runtime and of the Sdk. */
  readonly runtime: string;
  readonly sdk: string;
}

/** The text of the metadata keyfile that the manifest describes, checked by reading it back. */
export function makeMetadata(input: MetadataInput): string {
  const { manifest } = input;
  const text = manifest.metadata === undefined ? generate(input) : readGiven(manifest.metadata);
  const metadata = parseMetadata(text);
  if (metadata.name !== manifest.id) {
    throw new DowelError("METADATA_INVALID", `The metadata is for ${metadata.name}, expected ${manifest.id}`);
  }
  return text;
}

function readGiven(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw fileError(error, "read the metadata", path);
  }
}

function generate({ manifest, runtime, sdk }: MetadataInput): string {
  const keyfile = new Keyfile();
  keyfile.set("Application", "name", manifest.id);
  keyfile.set("Application", "runtime", runtime);
  keyfile.set("Application", "sdk", sdk);
  if (manifest.command !== undefined) keyfile.set("Application", "command", manifest.command);
  if (manifest.tags.length > 0) keyfile.setList("Application", "tags", manifest.tags);
  for (const [name, pairs] of manifest.extensions) {
    if (manifest.removeExtensions.includes(name)) continue;
    for (const [key, value] of pairs) keyfile.set(`Extension ${name}`, key, value);
  }
  applyFinishArgs(keyfile, manifest.finishArgs);
  return keyfile.toString();
}
