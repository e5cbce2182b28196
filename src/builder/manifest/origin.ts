// SPDX-License-Identifier: Apache-2.0
import { basename } from "node:path";
import type { Fields, Value } from "../../formats/document/value.ts";
import type { Includer } from "./include.ts";
import type { Checksums, Origin } from "./types.ts";

const checksumLengths = { md5: 32, sha1: 40, sha256: 64, sha512: 128 } as const;

/** Reads `path`, or `url` with `mirror-urls` and its checksums: a sha256 or sha512 is required for anything but `data:`. */
export function decodeOrigin(fields: Fields, includer: Includer): Origin {
  const path = fields.get("path");
  const url = fields.get("url");
  const mirrors = fields.get("mirror-urls")?.list() ?? [];
  const checksums = decodeChecksums(fields);
  fields.text("referer");
  fields.flag("disable-http-decompression");
  if (path !== undefined) {
    if (url !== undefined) path.fail('only one of "path" and "url"');
    return { kind: "path", path: includer.path(path) };
  }
  if (url === undefined) return fields.value.fail('the key "path" or "url"');
  const urls = [url, ...mirrors].map(decodeUrl);
  const isData = urls[0]?.startsWith("data:") === true;
  if (!isData && checksums.sha256 === undefined && checksums.sha512 === undefined) {
    url.fail('a "sha256" or "sha512" checksum beside the url');
  }
  return { kind: "url", urls, checksums };
}

function decodeUrl(value: Value): string {
  const text = value.text();
  if (!URL.canParse(text) || !/^(https?|file|data):/i.test(text)) return value.fail("an http, https, file or data URL");
  return text;
}

function decodeChecksums(fields: Fields): Checksums {
  const result: { -readonly [P in keyof Checksums]: Checksums[P] } = {};
  for (const name of ["md5", "sha1", "sha256", "sha512"] as const) {
    const value = fields.get(name);
    if (value === undefined) continue;
    const text = value.text().toLowerCase();
    if (!/^[0-9a-f]+$/.test(text) || text.length !== checksumLengths[name]) {
      value.fail(`${checksumLengths[name]} hex digits`);
    }
    result[name] = text;
  }
  return result;
}

/** The last name of the path or URL, which becomes the name of the file. */
export function nameOfOrigin(fields: Fields, origin: Origin): string {
  const first = origin.kind === "path" ? origin.path : (origin.urls[0] ?? "");
  if (/^data:/i.test(first)) return fields.value.fail('the key "dest-filename", because the url is data');
  const name = origin.kind === "path" ? basename(first) : decodeName(new URL(first).pathname);
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) {
    return fields.value.fail('the key "dest-filename", because the url does not end in a name');
  }
  return name;
}

function decodeName(pathname: string): string {
  const last = pathname.slice(pathname.lastIndexOf("/") + 1);
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}
