// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { DowelError, fileError } from "../../base/errors.ts";
import { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { parseMetadata } from "../../metadata/metadata.ts";
import { formatRef } from "../../metadata/ref.ts";
import { applyFinishArgs } from "../manifest/finishargs.ts";
import type { Manifest, Module, Named, Platform } from "../manifest/types.ts";
import { isEnabled } from "../stages/module.ts";
import type { BuildParts } from "../stages/parts.ts";
import type { Sdk } from "../stages/sdk.ts";
import type { SplitImage } from "./split.ts";

export interface MetadataInput {
  readonly manifest: Manifest;
  readonly arch: string;
  readonly branch: string;
  /** `ID/ARCH/BRANCH` of the runtime and of the Sdk. */
  readonly runtime: string;
  readonly sdk: string;
  readonly parts: Pick<BuildParts, "base" | "extended">;
  /** The Sdk itself, whose extension points can be taken over. */
  readonly sdkPart: Pick<Sdk, "ref" | "metadata"> | undefined;
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

function generate(input: MetadataInput): string {
  const { manifest, parts } = input;
  const keyfile = new Keyfile();
  const group = manifest.kind === "app" ? "Application" : "Runtime";
  keyfile.set(group, "name", manifest.id);
  const { runtime, sdk } = namesFor(input);
  keyfile.set(group, "runtime", runtime);
  keyfile.set(group, "sdk", sdk);
  if (parts.base !== undefined) keyfile.set(group, "base", formatRef(parts.base.ref));
  if (manifest.command !== undefined) keyfile.set(group, "command", manifest.command);
  if (manifest.tags.length > 0) keyfile.setList(group, "tags", manifest.tags);
  setExtended(keyfile, input);
  for (const wanted of [...manifest.inheritExtensions, ...manifest.inheritSdkExtensions])
    inherit(keyfile, wanted, input);
  for (const [name, pairs] of [...manifest.buildExtensions, ...manifest.extensions]) {
    if (manifest.removeExtensions.includes(name)) continue;
    for (const [key, value] of pairs) keyfile.set(`Extension ${name}`, key, value);
  }
  setExtraData(keyfile, input);
  applyFinishArgs(keyfile, manifest.finishArgs);
  return keyfile.toString();
}

/** A runtime that brings its platform names the two as each other's. */
function namesFor({ manifest, arch, branch, runtime, sdk }: MetadataInput): { runtime: string; sdk: string } {
  if (manifest.platform === undefined) return { runtime, sdk };
  const name = (id: string) => `${id}/${arch}/${branch}`;
  return { runtime: name(manifest.platform.id), sdk: name(manifest.id) };
}

/** The metadata of a derived platform: those of the runtime under its own name. */
export function makePlatformMetadata(manifest: Manifest, platform: Platform, metadata: string): string {
  if (platform.metadata !== undefined) return readGiven(platform.metadata);
  const keyfile = parseKeyfile(metadata, "metadata");
  keyfile.set("Runtime", "name", platform.id);
  for (const { name } of manifest.inheritSdkExtensions) keyfile.removeGroup(`Extension ${name}`);
  return keyfile.toString();
}

/** `[ExtensionOf]` of an extension. */
function setExtended(keyfile: Keyfile, { manifest, parts: { extended } }: MetadataInput): void {
  if (extended === undefined) return;
  const { ref, metadata } = extended.owner;
  keyfile.set("ExtensionOf", "ref", formatRef(ref));
  if (ref.kind === "app" && metadata.runtime !== undefined) {
    keyfile.set("ExtensionOf", "runtime", formatRef(metadata.runtime).slice("runtime/".length));
  }
  if (manifest.extensionTag !== undefined) keyfile.set("ExtensionOf", "tag", manifest.extensionTag);
}

/** Takes over an extension point of the base app, or of the Sdk; without a version it means the parent's own branch. */
function inherit(keyfile: Keyfile, { name, where }: Named, { parts, sdkPart }: MetadataInput): void {
  const group = `Extension ${name}`;
  const parent = [parts.base, sdkPart].find((part) => part?.metadata.keyfile.hasGroup(group) === true);
  if (parent === undefined) {
    throw new DowelError("MANIFEST_INVALID", `${where}: neither the base nor the Sdk has an extension point ${name}`);
  }
  const from = parent.metadata.keyfile;
  for (const key of from.keys(group)) keyfile.set(group, key, from.get(group, key) ?? "");
  if (!from.has(group, "version") && !from.has(group, "versions")) keyfile.set(group, "version", parent.ref.branch);
}

/** What the app fetches at its install, numbered as Flatpak has it: no number for the first. */
function setExtraData(keyfile: Keyfile, { manifest, arch }: MetadataInput): void {
  const sources = allModules(manifest.modules, arch).flatMap((module) => module.sources);
  const data = sources.flatMap((source) => (source.type === "extra-data" && isEnabled(source, arch) ? [source] : []));
  for (const [index, { filename, url, sha256, size, installedSize }] of data.entries()) {
    const set = (key: string, value: string) => keyfile.set("Extra Data", `${key}${index === 0 ? "" : index}`, value);
    set("name", filename);
    set("uri", url);
    set("checksum", sha256);
    set("size", String(size));
    if (installedSize !== undefined) set("installed-size", String(installedSize));
  }
}

function allModules(modules: readonly Module[], arch: string): readonly Module[] {
  return modules
    .filter((module) => !module.disabled && isEnabled(module, arch))
    .flatMap((module) => [...allModules(module.modules, arch), module]);
}

/** The metadata with the extension points of images that were split off, and their list. */
export function addSplitImages(metadata: string, images: readonly SplitImage[]): string {
  if (images.length === 0) return metadata;
  const keyfile = parseKeyfile(metadata, "metadata");
  for (const { point } of images) {
    for (const [key, value] of point[1]) keyfile.set(`Extension ${point[0]}`, key, value);
  }
  keyfile.setList(
    "Build",
    "built-extensions",
    images.map(({ ref }) => ref.id),
  );
  return keyfile.toString();
}
