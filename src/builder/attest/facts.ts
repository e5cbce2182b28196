// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { formatRef } from "../../metadata/ref.ts";
import { loadManifest } from "../manifest/manifest.ts";
import type { Source } from "../manifest/types.ts";
import type { PlannedSource, Stage } from "../stages/chain.ts";
import type { BuildParts } from "../stages/parts.ts";
import type { Sdk } from "../stages/sdk.ts";
import { type Debian, type Licence, licenceIn, packagesIn } from "./debian.ts";

/** A source of a module, as it was used. */
export interface SourceFacts {
  readonly type: Source["type"];
  readonly name: string;
  /** URL without credentials, or undefined for what came from this machine or the manifest itself. */
  readonly location: string | undefined;
  readonly version: string | undefined;
  /** Commit of a git repository. */
  readonly commit: string | undefined;
  /** Name of the algorithm in lower case, then hex digits. */
  readonly checksums: readonly (readonly [string, string])[];
}

/** A package of a distribution that an image has. */
export interface PackageFacts {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  /** Undefined where its copyright file does not say in a form for programs. */
  readonly licence: Licence | undefined;
}

/** Another image that a build used: what it is for, its ref, and the digest of its manifest where that was fixed. */
export interface UsedImage {
  readonly role: "runtime" | "sdk" | "base" | "extension" | "extended";
  readonly ref: string;
  readonly commit: string | undefined;
}

/** All that decided what an image holds. */
export interface BuildFacts {
  readonly kind: "manifest" | "recipe";
  readonly modules: readonly { readonly name: string; readonly sources: readonly SourceFacts[] }[];
  readonly packages: readonly PackageFacts[];
  readonly images: readonly UsedImage[];
  /** The manifest first, then what it includes: path from its folder, and sha256. */
  readonly files: readonly (readonly [string, string])[];
  readonly parameters: Readonly<Record<string, string>>;
  /** Suite of a recipe. */
  readonly suite: string | undefined;
}

/** An address as it may be told to others. */
function publicUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (!["http:", "https:", "git:", "ssh:", "svn:", "bzr:"].includes(url.protocol)) return undefined;
  url.username = "";
  url.password = "";
  return url.href;
}

/** `1.2.3` of `name-1.2.3.tar.xz`. */
function versionIn(name: string): string | undefined {
  return /[-_]v?(\d[0-9A-Za-z.+~]*?)(?:\.(?:tar(?:\.\w+)?|t[gx]z|tbz2|zip|7z|rpm))?$/.exec(name)?.[1];
}

function text(key: PlannedSource["key"], name: string): string | undefined {
  const value = key[name];
  return typeof value === "string" ? value : undefined;
}

/** Undefined for what is no source of anything by itself: commands that the manifest holds. */
function sourceFacts({ source, key }: PlannedSource): SourceFacts | undefined {
  const plain = { type: source.type, location: undefined, version: undefined, commit: undefined, checksums: [] };
  switch (source.type) {
    case "file":
    case "archive": {
      const { filename: name, origin } = source;
      const version = source.type === "archive" ? versionIn(name) : undefined;
      if (origin.kind === "path") {
        const sha256 = text(key, "origin");
        return { ...plain, name, version, checksums: sha256 === undefined ? [] : [["sha256", sha256]] };
      }
      const location = publicUrl(origin.urls[0] ?? "");
      return { ...plain, name, version, location, checksums: Object.entries(origin.checksums) };
    }
    case "git": {
      const commit = text(key, "commit");
      const location = publicUrl(source.location);
      return { ...plain, name: nameOf(source.location), location, commit, version: source.tag ?? commit };
    }
    case "svn":
    case "bzr": {
      const location = publicUrl(source.location);
      return { ...plain, name: nameOf(source.location), location, version: text(key, "revision") };
    }
    case "extra-data": {
      const { filename: name, url, sha256 } = source;
      return { ...plain, name, location: publicUrl(url), checksums: [["sha256", sha256]] };
    }
    case "dir":
      return { ...plain, name: nameOf(source.path) };
    case "patch": {
      const digests = Array.isArray(key["paths"]) ? key["paths"].map(String) : [];
      const checksums = digests.length === 1 ? [["sha256", digests[0] ?? ""] as const] : [];
      return { ...plain, name: source.paths.map(nameOf).join(" "), checksums };
    }
    default:
      return undefined;
  }
}

function nameOf(path: string): string {
  return path
    .replace(/\/+$/, "")
    .replace(/^.*\//s, "")
    .replace(/\.git$/, "");
}

/** Files by their path from the folder of the first, with their sha256. */
export function digestsOf(files: readonly string[]): readonly (readonly [string, string])[] {
  const [first = ""] = files;
  return [...new Set(files)].map((file) => [
    relative(dirname(first), file),
    createHash("sha256").update(readFileSync(file)).digest("hex"),
  ]);
}

/** What a build from a manifest used. */
export function manifestFacts(
  path: string,
  stages: readonly Stage[],
  used: {
    readonly sdk: Sdk;
    readonly runtime: string;
    readonly parts: BuildParts;
    readonly beneath: string | undefined;
  },
  parameters: BuildFacts["parameters"],
): BuildFacts {
  const included: string[] = [];
  const { file } = loadManifest(path, (one) => included.push(one));
  const { base, platform, extended } = used.parts;
  const images: UsedImage[] = [
    { role: "runtime", ref: `runtime/${used.runtime}`, commit: used.beneath },
    { role: "sdk", ref: formatRef(used.sdk.ref), commit: used.sdk.commit },
  ];
  for (const part of [base, platform]) {
    if (part !== undefined) images.push({ role: "base", ref: formatRef(part.ref), commit: part.commit });
  }
  if (extended !== undefined) {
    images.push({ role: "extended", ref: formatRef(extended.owner.ref), commit: extended.owner.commit });
  }
  const modules = stages.flatMap(({ module, sources }) => {
    if (module === undefined) return [];
    return [{ name: module.name, sources: sources.flatMap((one) => sourceFacts(one) ?? []) }];
  });
  const files = digestsOf([file, ...included]);
  return { kind: "manifest", modules, packages: [], images, files, parameters, suite: undefined };
}

/** What a runtime was made of by a recipe. */
export function recipeFacts(
  recipe: { readonly file: string; readonly suite: string },
  root: Debian,
  parameters: BuildFacts["parameters"],
): BuildFacts {
  const packages = packagesIn(root.packages).map((one) => ({ ...one, licence: licenceIn(root.tree, one.name) }));
  const { file, suite } = recipe;
  return { kind: "recipe", modules: [], packages, images: [], files: digestsOf([file]), parameters, suite };
}
