// SPDX-License-Identifier: Apache-2.0
import { Decoder, type JsonObject } from "../base/decode.ts";
import { DowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { decodeUtf8, encodeUtf8 } from "../base/text.ts";
import { encodeMap } from "./descriptor.ts";
import { type Digest, isDigest } from "./digest.ts";

export interface HistoryEntry {
  readonly created?: string;
  readonly createdBy?: string;
  readonly comment?: string;
  readonly emptyLayer?: boolean;
}

/** The parts of an OCI image config that Dowel uses. */
export interface ImageConfig {
  readonly os: string;
  /** Go's name, as `amd64`. */
  readonly architecture: string;
  readonly variant?: string;
  /** RFC 3339 */
  readonly created?: string;
  readonly labels: ReadonlyMap<string, string>;
  /** `NAME=VALUE` */
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly workingDir?: string;
  /** Digests of the uncompressed layers, lowest first. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly HistoryEntry[];
}

/** Reads an image config (OCI image specification 1.1; Docker's has the same shape). */
export function decodeConfig(bytes: Uint8Array, what: string): ImageConfig {
  const decoder = new Decoder("OCI_MANIFEST_INVALID", what);
  if (bytes.byteLength > limits.ociDocumentBytes) {
    throw new DowelError("LIMIT_EXCEEDED", `${what}: more than the ${limits.ociDocumentBytes} bytes allowed`);
  }
  const text = decodeUtf8(bytes) ?? decoder.fail("", "UTF-8 text");
  const object = decoder.object(decoder.parse(text), "");
  const run = decoder.optional(object["config"], (value) => decoder.object(value, "config")) ?? {};
  const rootfs = decoder.object(object["rootfs"], "rootfs");
  const diffIds = decoder.array(rootfs["diff_ids"], "rootfs.diff_ids");
  if (diffIds.length > limits.layersPerImage) {
    decoder.fail("rootfs.diff_ids", `at most ${limits.layersPerImage} entries`);
  }
  return {
    os: decoder.string(object["os"], "os"),
    architecture: decoder.string(object["architecture"], "architecture"),
    ...optionalText(decoder, object, "variant", "variant", ""),
    ...optionalText(decoder, object, "created", "created", ""),
    labels: decoder.optional(run["Labels"], (map) => decoder.stringMap(map, "config.Labels")) ?? new Map(),
    env: strings(decoder, run["Env"], "config.Env"),
    entrypoint: strings(decoder, run["Entrypoint"], "config.Entrypoint"),
    command: strings(decoder, run["Cmd"], "config.Cmd"),
    ...optionalText(decoder, run, "WorkingDir", "workingDir", "config."),
    diffIds: diffIds.map((item, at) => decodeDiffId(decoder, item, `rootfs.diff_ids[${at}]`)),
    history: decodeHistory(decoder, object["history"]),
  };
}

/** The bytes of an image config: fixed order of keys, labels sorted, no spaces. */
export function encodeConfig(config: ImageConfig): Uint8Array {
  const value = {
    created: config.created,
    architecture: config.architecture,
    variant: config.variant,
    os: config.os,
    config: {
      Env: unlessEmpty(config.env),
      Entrypoint: unlessEmpty(config.entrypoint),
      Cmd: unlessEmpty(config.command),
      WorkingDir: config.workingDir,
      Labels: config.labels.size === 0 ? undefined : encodeMap(config.labels),
    },
    rootfs: { type: "layers", diff_ids: config.diffIds },
    history: unlessEmpty(
      config.history.map(({ created, createdBy, comment, emptyLayer }) => ({
        created,
        created_by: createdBy,
        comment,
        empty_layer: emptyLayer,
      })),
    ),
  };
  return encodeUtf8(JSON.stringify(value));
}

function unlessEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

function decodeDiffId(decoder: Decoder, item: unknown, path: string): Digest {
  const text = decoder.string(item, path);
  return isDigest(text) ? text : decoder.fail(path, "sha256:HEX or sha512:HEX in lower case");
}

function strings(decoder: Decoder, value: unknown, path: string): readonly string[] {
  const list = decoder.optional(value, (items) => decoder.array(items, path)) ?? [];
  return list.map((item, at) => decoder.string(item, `${path}[${at}]`));
}

function optionalText<K extends string>(
  decoder: Decoder,
  object: JsonObject,
  key: string,
  name: K,
  prefix: string,
): { readonly [P in K]?: string } {
  const value = decoder.optional(object[key], (text) => decoder.string(text, `${prefix}${key}`));
  return value === undefined || value === "" ? {} : ({ [name]: value } as { readonly [P in K]?: string });
}

function decodeHistory(decoder: Decoder, value: unknown): readonly HistoryEntry[] {
  const list = decoder.optional(value, (items) => decoder.array(items, "history")) ?? [];
  return list.map((item, at) => {
    const prefix = `history[${at}].`;
    const object = decoder.object(item, `history[${at}]`);
    const empty = decoder.optional(object["empty_layer"], (flag) => decoder.boolean(flag, `${prefix}empty_layer`));
    return {
      ...optionalText(decoder, object, "created", "created", prefix),
      ...optionalText(decoder, object, "created_by", "createdBy", prefix),
      ...optionalText(decoder, object, "comment", "comment", prefix),
      ...(empty === true ? { emptyLayer: true } : {}),
    };
  });
}
