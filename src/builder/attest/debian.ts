// SPDX-License-Identifier: Apache-2.0
import { readContent } from "../tree/read.ts";
import { contentSize, fileAt, type Tree } from "../tree/types.ts";

/** The files of a Debian system and the list of its packages, one `NAME VERSION ARCH` a line. */
export interface Debian {
  readonly tree: Tree;
  readonly packages: string;
}

/** Larger copyright files are not looked into. */
const mostCopyright = 1024 * 1024;

/** Licences as Debian's copyright format 1.0 abbreviates them, where SPDX has another name for the same. */
const spdxNames: Readonly<Record<string, string>> = {
  expat: "MIT",
  mit: "MIT",
  x11: "X11",
  isc: "ISC",
  zlib: "Zlib",
  "apache-2.0": "Apache-2.0",
  "apache-2": "Apache-2.0",
  "artistic-1": "Artistic-1.0",
  "artistic-2.0": "Artistic-2.0",
  "bsd-2-clause": "BSD-2-Clause",
  "bsd-3-clause": "BSD-3-Clause",
  "bsd-4-clause": "BSD-4-Clause",
  "cc0-1.0": "CC0-1.0",
  cc0: "CC0-1.0",
  "mpl-1.1": "MPL-1.1",
  "mpl-2.0": "MPL-2.0",
  openssl: "OpenSSL",
  "python-2.0": "Python-2.0",
  "psf-2": "PSF-2.0",
  curl: "curl",
  libpng: "Libpng",
  "unicode-3.0": "Unicode-3.0",
  "bsl-1.0": "BSL-1.0",
};

const gnuVersions: Readonly<Record<string, readonly string[]>> = {
  GPL: ["1", "2", "3"],
  LGPL: ["2", "2.1", "3"],
  AGPL: ["3"],
  GFDL: ["1.1", "1.2", "1.3"],
};

/** `GPL-2+` is `GPL-2.0-or-later`. */
function gnuName(name: string): string | undefined {
  const [, family = "", version = "", later] = /^([AL]?GPL|GFDL)-(\d(?:\.\d)?)(\+)?$/i.exec(name) ?? [];
  const short = version.replace(/\.0$/, "");
  if (gnuVersions[family.toUpperCase()]?.includes(short) !== true) return undefined;
  const whole = short.includes(".") ? short : `${short}.0`;
  return `${family.toUpperCase()}-${whole}-${later === undefined ? "only" : "or-later"}`;
}

/** A licence by an expression of SPDX, and what stands in it under names of Debian's own: id, then name. */
export interface Licence {
  readonly expression: string;
  readonly others: ReadonlyMap<string, string>;
}

function idFor(name: string, others: Map<string, string>): string {
  const known = spdxNames[name.toLowerCase()] ?? gnuName(name);
  if (known !== undefined) return known;
  const id = `LicenseRef-debian-${name.replace(/[^A-Za-z0-9.-]+/g, "-")}`;
  others.set(id, name);
  return id;
}

/** The SPDX expression of one licence field. `and` binds closer than `or` in both, a comma before a word less. */
function toSpdx(field: string, others: Map<string, string>): string {
  const plain = field.replaceAll(",", " ").trim();
  const words = plain.split(/\s+(and\/or|and|or)\s+/i);
  const result = words.map((word, at) => {
    if (at % 2 === 0) return idFor(word, others);
    return word.toLowerCase() === "and" ? "AND" : "OR";
  });
  return result.includes("OR") ? `(${result.join(" ")})` : result.join(" ");
}

/** What a copyright file for programs names (copyright-format 1.0), all of its licences together. */
export function spdxLicence(copyright: string): Licence | undefined {
  if (!/^Format: \S*copyright-format\/1\.0/m.test(copyright)) return undefined;
  const fields = [...copyright.matchAll(/^License: *(\S.*)$/gm)].map((match) => match[1] ?? "");
  const others = new Map<string, string>();
  const expressions = new Set(fields.map((field) => toSpdx(field, others)));
  return expressions.size === 0 ? undefined : { expression: [...expressions].sort().join(" AND "), others };
}

export function licenceIn(tree: Tree, name: string): Licence | undefined {
  const file = fileAt(tree, `usr/share/doc/${name.replace(/:.*$/, "")}/copyright`);
  if (file === undefined || contentSize(file.content) > mostCopyright) return undefined;
  return spdxLicence(Buffer.from(readContent(file.content)).toString("utf8"));
}

export function packagesIn(list: string): readonly { readonly name: string; version: string; arch: string }[] {
  return list
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", version = "", arch = ""] = line.split(" ");
      return { name, version, arch };
    });
}
