// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DowelEvent } from "../../src/base/events.ts";
import { execute, type TransactionResult } from "../../src/engine/execute.ts";

import { type PrepareOptions, prepareInstall } from "../../src/engine/prepareinstall.ts";
import type { Installation } from "../../src/store/installation.ts";
import { addImage } from "../support/layout.ts";

export const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
export const platform = `runtime/org.test.Platform/${arch}/1`;

export interface SampleImage {
  readonly ref: string;
  readonly runtime?: string;
  /** Below `files/`, or at the top where the name begins with a slash. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly metadata?: string;
}

export function metadataFor(ref: string, runtime = "org.test.Platform"): string {
  const [kind, id = ""] = ref.split("/");
  if (kind === "runtime") return `[Runtime]\nname=${id}\n`;
  const needed = runtime.includes("/") ? runtime : `${runtime}/${arch}/1`;
  return `[Application]\nname=${id}\nruntime=${needed}\nsdk=${needed}\ncommand=hello\n\n[Context]\nshared=network;\n`;
}

/** Adds an image to an OCI layout; answers the commit. */
export function addSample(layout: string, sample: SampleImage): string {
  const metadata = sample.metadata ?? metadataFor(sample.ref, sample.runtime);
  mkdirSync(layout, { recursive: true });
  const tree = mkdtempSync(`${layout}-tree-`);
  const files = { "share/readme": `This is ${sample.ref}.\n`.repeat(10), ...sample.files };
  writeFileSync(join(tree, "metadata"), metadata);
  for (const [name, content] of Object.entries(files)) {
    const path = name.startsWith("/") ? join(tree, name) : join(tree, "files", name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  const labels = sample.labels ?? {};
  return addImage(layout, { ref: sample.ref, metadata, tree, labels }).slice("sha256:".length);
}

export function appRef(name: string, branch = "stable"): string {
  return `app/org.test.${name}/${arch}/${branch}`;
}

/** What the install command does: prepare, then execute. */
export async function install(
  installation: Installation,
  words: readonly string[],
  options: PrepareOptions = {},
): Promise<TransactionResult> {
  return execute(await prepareInstall(installation, words, options), installation, options);
}

/** Collects events. */
export function recorder(): { readonly events: DowelEvent[]; readonly report: (event: DowelEvent) => void } {
  const events: DowelEvent[] = [];
  return { events, report: (event) => events.push(event) };
}
