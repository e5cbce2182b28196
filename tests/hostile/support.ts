// SPDX-License-Identifier: Apache-2.0

import { expect } from "bun:test";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { appRef, type Outcome, runtimeRef } from "../e2e/support.ts";
import { addLayers, gzipLayer, type HandMadeLayer, sha256 } from "../support/layout.ts";
import { type RawEntry, rawTar } from "./rawtar.ts";

export const evilId = "org.example.Evil";
const evilRef = appRef.replace("org.example.Probe", evilId);

export function evilMetadata(context = "", id = evilId): string {
  return `[Application]\nname=${id}\nruntime=${runtimeRef.slice("runtime/".length)}\ncommand=probe\n${context}`;
}

/** What every app image begins with: its metadata, one program and one file. */
export function honestEntries(metadata = evilMetadata()): RawEntry[] {
  return [
    { name: "metadata", content: metadata },
    { name: "files/", type: "5" },
    { name: "files/bin/", type: "5" },
    { name: "files/bin/probe", mode: 0o755, content: "#!/bin/sh\n" },
  ];
}

/** Adds the evil app's image, with the entries as its one layer behind the honest ones, or with layers as they are given. */
export function addEvil(
  layout: string,
  content: { readonly entries?: readonly RawEntry[]; readonly layers?: readonly HandMadeLayer[] },
  image: { readonly ref?: string; readonly metadata?: string } = {},
): string {
  const layers = content.layers ?? [gzipLayer(rawTar([...honestEntries(), ...(content.entries ?? [])]))];
  return addLayers(layout, { ref: image.ref ?? evilRef, metadata: image.metadata ?? evilMetadata() }, layers);
}

/** Every path of a folder with mode, owner, size, link and content; without locks, the history, the index and the folders that objects are spread over. */
export function listing(folder: string): string[] {
  const rows: string[] = [];
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    if (/^(index\.sqlite.*|history\.jsonl|lock|pins|objects\/[0-9a-f]{2})$/.test(name)) continue;
    const path = join(folder, name);
    const found = lstatSync(path);
    const what = found.isSymbolicLink()
      ? readlinkSync(path)
      : found.isFile()
        ? `${found.size} ${sha256(readFileSync(path))}`
        : "";
    rows.push(`${name} ${found.mode.toString(8)} ${found.uid} ${what}`);
  }
  return rows;
}

const terminalControl = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** A refusal as people should see it: code, words, exit status 1, no stack, nothing that moves a cursor. */
export function expectRefused(outcome: Outcome, code: string, ...words: readonly string[]): void {
  const { status, stdout, stderr } = outcome;
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(code) });
  for (const word of words) expect(stderr).toContain(word);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stdout + stderr).not.toMatch(terminalControl);
}
