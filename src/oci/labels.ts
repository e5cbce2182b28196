// SPDX-License-Identifier: Apache-2.0
import { Decoder } from "../base/decode.ts";

/** The labels by which an image says what it is for Flatpak. Sizes are bytes. */
export interface FlatpakLabels {
  /** `app/ID/ARCH/BRANCH` or `runtime/ID/ARCH/BRANCH` */
  readonly ref: string;
  /** The whole metadata keyfile. Absent for `appstream/…` refs only. */
  readonly metadata?: string;
  readonly commit?: string;
  readonly parentCommit?: string;
  /** Seconds since 1970. */
  readonly timestamp?: number;
  readonly subject?: string;
  readonly body?: string;
  readonly installedSize?: number;
  readonly downloadSize?: number;
  /** Address of a `.flatpakrepo` file that has the runtime. */
  readonly runtimeRepo?: string;
  /** Serialized GVariants of type `v`, by key. */
  readonly commitMetadata: ReadonlyMap<string, Uint8Array>;
  /** AppStream data and icons: `org.freedesktop.appstream.*`, as they stand. */
  readonly appstream: ReadonlyMap<string, string>;
}

const prefix = "org.flatpak.";
const commitPrefix = `${prefix}commit-metadata.`;
const appstreamPrefix = "org.freedesktop.appstream.";

/**
 * Reads Flatpak's labels; undefined where the image has no `org.flatpak.ref`. A number or base64 text that is
 * malformed is `IMAGE_UNSUITABLE` and names the label; the ref and metadata are not looked into.
 */
export function decodeFlatpakLabels(labels: ReadonlyMap<string, string>, what: string): FlatpakLabels | undefined {
  const ref = labels.get(`${prefix}ref`);
  if (ref === undefined) return undefined;
  const decoder = new Decoder("IMAGE_UNSUITABLE", what);
  const text = (key: string): string | undefined => labels.get(prefix + key);
  const number = (key: string): number | undefined => decodeNumber(decoder, prefix + key, text(key));
  return dropUndefined({
    ref,
    metadata: text("metadata"),
    commit: text("commit"),
    parentCommit: text("parent-commit"),
    timestamp: number("timestamp"),
    subject: text("subject"),
    body: text("body"),
    installedSize: number("installed-size"),
    downloadSize: number("download-size"),
    runtimeRepo: text("runtime-repo"),
    commitMetadata: decodeCommitMetadata(decoder, labels),
    appstream: new Map([...labels].filter(([key]) => key.startsWith(appstreamPrefix))),
  });
}

/** The labels of an image; the opposite of `decodeFlatpakLabels`. */
export function encodeFlatpakLabels(labels: FlatpakLabels): ReadonlyMap<string, string> {
  const values: readonly (readonly [string, string | number | undefined])[] = [
    ["ref", labels.ref],
    ["metadata", labels.metadata],
    ["commit", labels.commit],
    ["parent-commit", labels.parentCommit],
    ["timestamp", labels.timestamp],
    ["subject", labels.subject],
    ["body", labels.body],
    ["installed-size", labels.installedSize],
    ["download-size", labels.downloadSize],
    ["runtime-repo", labels.runtimeRepo],
  ];
  const result = new Map<string, string>();
  for (const [key, value] of values) if (value !== undefined) result.set(prefix + key, String(value));
  for (const [key, value] of labels.commitMetadata) {
    result.set(commitPrefix + key, Buffer.from(value).toString("base64"));
  }
  for (const [key, value] of labels.appstream) result.set(key, value);
  return result;
}

function decodeNumber(decoder: Decoder, label: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : decoder.fail(`label ${label}`, "a whole number");
}

function decodeCommitMetadata(decoder: Decoder, labels: ReadonlyMap<string, string>): ReadonlyMap<string, Uint8Array> {
  const result = new Map<string, Uint8Array>();
  for (const [label, text] of labels) {
    if (!label.startsWith(commitPrefix)) continue;
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) decoder.fail(`label ${label}`, "base64 text");
    result.set(label.slice(commitPrefix.length), Buffer.from(text, "base64"));
  }
  return result;
}

type WithoutUndefined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function dropUndefined<T extends object>(value: T): WithoutUndefined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as WithoutUndefined<T>;
}
