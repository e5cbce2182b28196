// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { peekGroup } from "../formats/keyfile/peek.ts";
import { parseRef, parseRuntimeName, type Ref } from "../metadata/ref.ts";
import { decodeFlatpakLabels } from "../oci/labels.ts";

/** What the labels of an image say for resolving it. Sizes are bytes, the timestamp seconds since 1970; 0 for unknown. */
interface FlatpakImage {
  readonly ref: Ref;
  readonly metadata: string;
  readonly runtime: Ref | undefined;
  readonly downloadSize: number;
  readonly installedSize: number;
  readonly timestamp: number;
}

/**
 * The runtime that the metadata of an app names; runtimes need none. Of a large catalogue this is asked of every image, so
 * the rest of the metadata is left to who uses the image.
 */
function runtimeOf(metadata: string, ref: Ref, what: string): Ref | undefined {
  const group = ref.kind === "app" ? "Application" : "Runtime";
  const values = peekGroup(metadata, group, `${what}: label org.flatpak.metadata`);
  if (values.get("name") !== ref.id) {
    throw new DowelError("METADATA_INVALID", `${what}: name= of [${group}] must be ${ref.id}`);
  }
  const text = ref.kind === "app" ? values.get("runtime") : undefined;
  return text === undefined || text === "" ? undefined : parseRuntimeName(text);
}

/**
 * Reads the labels of an image of an app or runtime. Throws a `DowelError` where it is none, or where ref, metadata
 * or sizes are malformed or contradict each other. Of the metadata only the group that names ref and runtime is looked at.
 */
export function readFlatpakImage(labels: ReadonlyMap<string, string>, what: string): FlatpakImage {
  const decoded = decodeFlatpakLabels(labels, what);
  if (decoded?.metadata === undefined) {
    throw new DowelError("IMAGE_UNSUITABLE", `${what}: no labels org.flatpak.ref and org.flatpak.metadata`, {
      hint: "It is an image, but not one of an app or runtime.",
    });
  }
  const ref = parseRef(decoded.ref);
  return {
    ref,
    metadata: decoded.metadata,
    runtime: runtimeOf(decoded.metadata, ref, what),
    downloadSize: decoded.downloadSize ?? 0,
    installedSize: decoded.installedSize ?? 0,
    timestamp: decoded.timestamp ?? 0,
  };
}

/**
 * A text of an image's commit metadata, such as `ostree.endoflife`: a serialized GVariant of type `s`. Undefined where
 * there is none of that name, or where it is malformed.
 */
export function commitText(labels: ReadonlyMap<string, string>, key: string): string | undefined {
  const bytes = Buffer.from(labels.get(`org.flatpak.commit-metadata.${key}`) ?? "", "base64");
  return bytes.subarray(-3).toString("latin1") === "\0\0s" ? bytes.subarray(0, -3).toString("utf8") : undefined;
}
