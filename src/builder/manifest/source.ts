// SPDX-License-Identifier: Apache-2.0
import type { Fields, Value } from "../../formats/document/value.ts";
import type { Includer } from "./include.ts";
import { decodeOrigin, nameOfOrigin } from "./origin.ts";
import { type ArchiveFormat, archiveFormats, type Source } from "./types.ts";

const types = [
  "archive",
  "dir",
  "file",
  "git",
  "inline",
  "patch",
  "script",
  "shell",
  "bzr",
  "svn",
  "extra-data",
] as const;

/** Reads a list of sources; a text in it is the path of a file with one source or a list of them. */
export function decodeSources(value: Value | undefined, includer: Includer): readonly Source[] {
  return (value?.list() ?? []).flatMap((item) => {
    if (item.node.kind !== "string") return [decodeSource(item, includer)];
    return includer.include(item, (included, inner) =>
      included.node.kind === "list" ? decodeSources(included, inner) : [decodeSource(included, inner)],
    );
  });
}

function decodeSource(value: Value, includer: Includer): Source {
  const fields = value.fields();
  const type = fields.required("type").oneOf(types);
  const base = {
    where: value.source.locate(value.node.at),
    dest: includer.insidePath(fields.get("dest")) ?? [],
    onlyArches: fields.texts("only-arches"),
    skipArches: fields.texts("skip-arches"),
  };
  const source = { ...base, ...readers[type](fields, includer) };
  fields.done();
  return source;
}

type Particular = Source extends infer S
  ? S extends Source
    ? Omit<S, "where" | "dest" | "onlyArches" | "skipArches">
    : never
  : never;
type Reader = (fields: Fields, includer: Includer) => Particular;

const readers: Readonly<Record<(typeof types)[number], Reader>> = {
  archive: decodeArchive,
  dir: (fields, includer) => ({
    type: "dir",
    path: includer.path(fields.required("path")),
    skip: fields.texts("skip"),
  }),
  file: decodeFile,
  git: decodeGit,
  inline: decodeInline,
  patch: decodePatch,
  script: (fields) => ({
    type: "script",
    commands: fields.required("commands").texts(),
    filename: filename(fields) ?? "autogen.sh",
  }),
  shell: (fields) => ({ type: "shell", commands: fields.required("commands").texts() }),
  svn: (fields, includer) => ({ type: "svn", ...decodeRevision(fields, includer) }),
  bzr: (fields, includer) => ({ type: "bzr", ...decodeRevision(fields, includer) }),
  "extra-data": decodeExtraData,
};

/** `dest-filename`: one name, so that it cannot lead out of `dest`. */
function filename(fields: Fields): string | undefined {
  const value = fields.get("dest-filename");
  const text = value?.text();
  if (value !== undefined && text !== undefined && (!/^[^/\0]+$/.test(text) || /^\.\.?$/.test(text))) {
    return value.fail("the name of a file, without '/'");
  }
  return text;
}

function decodeFile(fields: Fields, includer: Includer): Particular {
  const origin = decodeOrigin(fields, includer);
  return { type: "file", origin, filename: filename(fields) ?? nameOfOrigin(fields, origin) };
}

function decodeArchive(fields: Fields, includer: Includer): Particular {
  const origin = decodeOrigin(fields, includer);
  const name = filename(fields) ?? nameOfOrigin(fields, origin);
  const format = fields.get("archive-type")?.oneOf(archiveFormats) ?? guessFormat(name);
  if (format === undefined) {
    return fields.value.fail(`a name that tells the kind of archive, or "archive-type"; found ${JSON.stringify(name)}`);
  }
  return {
    type: "archive",
    origin,
    filename: name,
    format,
    stripComponents: fields.get("strip-components")?.size() ?? 1,
    gitInit: fields.flag("git-init"),
  };
}

const suffixes: readonly (readonly [RegExp, ArchiveFormat])[] = [
  [/\.tar$/, "tar"],
  [/\.(tar\.gz|tgz|taz|crate)$/, "tar-gzip"],
  [/\.(tar\.Z|taZ)$/, "tar-compress"],
  [/\.(tar\.bz2|tz2|tbz2|tbz)$/, "tar-bzip2"],
  [/\.tar\.lz$/, "tar-lzip"],
  [/\.(tar\.lzma|tlz)$/, "tar-lzma"],
  [/\.(tar\.xz|txz)$/, "tar-xz"],
  [/\.(tar\.zst|tzst)$/, "tar-zst"],
  [/\.(zip|jar|whl)$/, "zip"],
  [/\.7z$/, "7z"],
  [/\.rpm$/, "rpm"],
];

function guessFormat(name: string): ArchiveFormat | undefined {
  return suffixes.find(([pattern]) => pattern.test(name))?.[1];
}

function decodeGit(fields: Fields, includer: Includer): Particular {
  const url = fields.get("url");
  const path = fields.get("path");
  const location = path === undefined ? fields.required("url").text() : includer.path(path);
  if (url !== undefined && path !== undefined) path.fail('only one of "url" and "path"');
  if (location.startsWith("-")) (url ?? fields.value).fail("an address that does not begin with '-'");
  const [branch, tag, commit] = ["branch", "tag", "commit"].map((key) => fields.get(key));
  if (branch !== undefined && tag !== undefined) tag.fail('only one of "branch" and "tag"');
  for (const name of [branch, tag]) if (name?.text().startsWith("-")) name.fail("a name that does not begin with '-'");
  if (commit !== undefined && !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(commit.text())) {
    commit.fail("a full commit id of 40 or 64 hex digits");
  }
  for (const key of ["disable-fsckobjects", "disable-lfs"]) fields.flag(key);
  return {
    type: "git",
    location,
    branch: branch?.text(),
    tag: tag?.text(),
    commit: commit?.text(),
    submodules: !fields.flag("disable-submodules"),
    shallow: !fields.flag("disable-shallow-clone"),
  };
}

function decodeInline(fields: Fields): Particular {
  const contents = fields.required("contents");
  const name = filename(fields) ?? fields.required("dest-filename").text();
  if (!fields.flag("base64")) return { type: "inline", contents: Buffer.from(contents.text()), filename: name };
  const text = contents.text().replace(/\s/g, "");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) contents.fail("base64 text");
  return { type: "inline", contents: Buffer.from(text, "base64"), filename: name };
}

function decodePatch(fields: Fields, includer: Includer): Particular {
  const single = fields.get("path");
  const values = [...(single === undefined ? [] : [single]), ...(fields.get("paths")?.list() ?? [])];
  if (values.length === 0) fields.value.fail('the key "path" or "paths"');
  const git = fields.flag("use-git");
  const am = fields.flag("use-git-am");
  return {
    type: "patch",
    paths: values.map((value) => includer.path(value)),
    stripComponents: fields.get("strip-components")?.size() ?? 1,
    tool: am ? "git-am" : git ? "git" : "patch",
    options: fields.texts("options"),
  };
}

function decodeRevision(fields: Fields, includer: Includer): { location: string; revision: string | undefined } {
  const url = fields.get("url");
  const path = fields.get("path");
  const location = path === undefined ? fields.required("url").text() : includer.path(path);
  if (url !== undefined && path !== undefined) path.fail('only one of "url" and "path"');
  if (location.startsWith("-")) (url ?? fields.value).fail("an address that does not begin with '-'");
  const revision = fields.get("revision");
  if (revision !== undefined && !/^[A-Za-z0-9][A-Za-z0-9_.:@-]*$/.test(revision.text())) revision.fail("a revision");
  return { location, revision: revision?.text() };
}

/** The name goes into the metadata and becomes a file of the installed app, so it must be a plain one. */
function decodeExtraData(fields: Fields): Particular {
  const name = fields.required("filename");
  if (!/^[A-Za-z0-9_+][A-Za-z0-9_.+-]*$/.test(name.text())) name.fail("a file name of letters, digits and _ . + -");
  const url = fields.required("url");
  if (!/^https?:\/\/[^\s:][^\s]*$/.test(url.text())) url.fail("an http or https URL");
  const sha256 = fields.required("sha256");
  if (!/^[0-9a-f]{64}$/.test(sha256.text())) sha256.fail("64 hex digits in lower case");
  return {
    type: "extra-data",
    filename: name.text(),
    url: url.text(),
    sha256: sha256.text(),
    size: fields.required("size").size(),
    installedSize: fields.get("installed-size")?.size(),
  };
}
