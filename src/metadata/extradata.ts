// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { decodeExtraSources } from "./extravariant.ts";
import { hasControlCharacters } from "./permissions/names.ts";

/** A file that is not in the image, because its maker lets nobody pass it on: everybody fetches it from there. */
export interface ExtraFile {
  /** Its name below `extra/`, one name. */
  readonly name: string;
  /** An http or https address. */
  readonly uri: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes that it will take when it is prepared. */
  readonly installedSize: number;
  /** SHA-256, 64 hex digits. */
  readonly checksum: string;
}

/** What an image says of extra data. */
export interface ExtraData {
  readonly files: readonly ExtraFile[];
  /** Whether the program that prepares the files does without the runtime. */
  readonly noRuntime: boolean;
}

const group = "Extra Data";

function invalid(key: string, found: string, expected: string): DowelError {
  return new DowelError("METADATA_INVALID", `Extra data: ${key} is ${JSON.stringify(found)}, expected ${expected}`);
}

function checkFile(file: ExtraFile): ExtraFile {
  const { name, uri, size, installedSize, checksum } = file;
  if (name === "" || name === "." || name === ".." || name.includes("/") || hasControlCharacters(name)) {
    throw invalid("name", name, "the name of a file, without '/'");
  }
  if (Buffer.byteLength(name) > limits.nameBytes) throw invalid("name", name, `at most ${limits.nameBytes} bytes`);
  if (!/^[0-9a-f]{64}$/.test(checksum)) throw invalid("checksum", checksum, "64 hex digits in lower case");
  if (!URL.canParse(uri) || !/^https?:$/.test(new URL(uri).protocol)) throw invalid("uri", uri, "an http or https URL");
  for (const [key, value] of Object.entries({ size, installedSize })) {
    if (Number.isSafeInteger(value) && value >= 0 && value <= limits.extraDataBytes) continue;
    throw invalid(key, String(value), `a number of bytes, at most ${limits.extraDataBytes}`);
  }
  return file;
}

/** Numbered keys of `[Extra Data]`: `name`, `name1`, `name2`, … as far as there are some. */
function filesOfKeyfile(metadata: string): { readonly files: readonly ExtraFile[]; readonly noRuntime: boolean } {
  const keyfile = parseKeyfile(metadata, "metadata");
  const files: ExtraFile[] = [];
  const number = (text: string): number => (/^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN);
  for (let suffix = ""; keyfile.has(group, `uri${suffix}`); suffix = String(files.length)) {
    const get = (key: string): string => keyfile.get(group, key + suffix) ?? "";
    const uri = get("uri");
    const size = number(get("size"));
    const fromUri = URL.canParse(uri) ? (new URL(uri).pathname.split("/").at(-1) ?? "") : "";
    const name = get("name") === "" ? fromUri : get("name");
    const installedSize = get("installed-size") === "" ? size : number(get("installed-size"));
    files.push({ name, uri, size, installedSize, checksum: get("checksum") });
  }
  return { files, noRuntime: keyfile.get(group, "NoRuntime") === "true" };
}

/**
 * What an image wants fetched besides itself: what the commit metadata in its labels say (`xa.extra-data-sources`, which
 * Flatpak goes by), else the group `[Extra Data]` of its metadata (flatpak-metadata(5)). Throws `METADATA_INVALID`.
 */
export function readExtraData(metadata: string, labels: ReadonlyMap<string, string>): ExtraData | undefined {
  const { files: named, noRuntime } = filesOfKeyfile(metadata);
  const label = labels.get("org.flatpak.commit-metadata.xa.extra-data-sources");
  const labelled = label === undefined ? [] : decodeExtraSources(Buffer.from(label, "base64"));
  const files = (labelled.length > 0 ? labelled : named).map(checkFile);
  if (files.length === 0) return undefined;
  const names = new Set(files.map(({ name }) => name));
  if (names.size < files.length) throw invalid("name", [...names].join(", "), "a different name for each file");
  if (files.length > limits.extraDataFiles) {
    throw new DowelError("LIMIT_EXCEEDED", `Extra data: more than ${limits.extraDataFiles} files`);
  }
  return { files, noRuntime };
}
