// SPDX-License-Identifier: Apache-2.0
import { relative, resolve } from "node:path";
import { hostArch } from "../../base/arch.ts";
import type { Node } from "../../formats/document/node.ts";
import type { Value } from "../../formats/document/value.ts";
import { localPaths } from "../stages/local.ts";
import { isEnabled } from "../stages/module.ts";
import { Includer, readDocument } from "./include.ts";
import { loadManifest } from "./manifest.ts";
import type { Module } from "./types.ts";

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

function toJson(node: Node): Json {
  switch (node.kind) {
    case "list":
      return node.items.map(toJson);
    case "map":
      return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, toJson(value)]));
    case "null":
      return null;
    default:
      return node.value;
  }
}

/** What a list holds that may name files with items, each in its place. */
function expandList(value: Value, includer: Includer, expand: (item: Value, includer: Includer) => Json): Json[] {
  return value.list().flatMap((item) => {
    if (item.node.kind !== "string") return [expand(item, includer)];
    return includer.include(item, (included, inner) =>
      included.node.kind === "list" ? expandList(included, inner, expand) : [expand(included, inner)],
    );
  });
}

function expandModule(value: Value, includer: Includer): Json {
  const pairs = value.fields().pairs();
  return Object.fromEntries(
    pairs.map(([key, item]) => {
      if (key === "modules") return [key, expandList(item, includer, expandModule)];
      if (key === "sources") return [key, expandList(item, includer, (source) => toJson(source.node))];
      return [key === "app-id" ? "id" : key, toJson(item.node)];
    }),
  );
}

/** A manifest with all that it includes, as JSON text; it is checked whole before. Throws as `loadManifest` does. */
export function showManifest(path: string): string {
  loadManifest(path);
  const file = resolve(path);
  const shown = expandModule(readDocument(file, path), new Includer([file]));
  return `${JSON.stringify(shown, undefined, 4)}\n`;
}

function pathsOf(modules: readonly Module[], arch: string): string[] {
  return modules
    .filter((module) => !module.disabled && isEnabled(module, arch))
    .flatMap((module) => [
      ...pathsOf(module.modules, arch),
      ...module.sources.filter((source) => isEnabled(source, arch)).flatMap(localPaths),
    ]);
}

/** The files and folders of this machine that a build reads besides the manifest: those it includes, and local sources. */
export function manifestFiles(path: string, arch: string = hostArch()): readonly string[] {
  const included: string[] = [];
  const manifest = loadManifest(path, (file) => included.push(file));
  const all = new Set([...included, ...pathsOf(manifest.modules, arch)]);
  return [...all].map((file) => relative(process.cwd(), file));
}
