// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The lines of sources.list(5) by which this machine itself gets a suite and its updates; empty where it has none.
 * `folder` is `/etc/apt`.
 */
export function hostMirrors(suite: string, folder = "/etc/apt"): readonly string[] {
  const suites = [suite, `${suite}-updates`, `${suite}-security`];
  const parts = join(folder, "sources.list.d");
  const files = [join(folder, "sources.list"), ...listFolder(parts).map((name) => join(parts, name))];
  const sources = files.filter((file) => existsSync(file)).flatMap((file) => readSources(file));
  const lines = sources
    .filter(({ suite: name }) => suites.includes(name))
    .map(({ options, address, suite: name, components }) => `deb ${options}${address} ${name} ${components}`);
  return [...new Set(lines)];
}

function listFolder(path: string): readonly string[] {
  return existsSync(path) ? readdirSync(path).sort() : [];
}

interface AptSource {
  readonly options: string;
  readonly address: string;
  readonly suite: string;
  readonly components: string;
}

function readSources(file: string): readonly AptSource[] {
  const text = readFileSync(file, "utf8");
  if (file.endsWith(".sources")) return text.split(/\n\s*\n/).flatMap(readStanza);
  return file.endsWith(".list") ? text.split("\n").flatMap(readLine) : [];
}

function readLine(line: string): readonly AptSource[] {
  const [, options = "", address = "", suite = "", components = ""] =
    /^deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$/.exec(line.replace(/#.*/, "").trim()) ?? [];
  return address === "" ? [] : [{ options, address, suite, components: components.trim() }];
}

function readStanza(stanza: string): readonly AptSource[] {
  const fields = new Map<string, string>();
  let last = "";
  for (const line of stanza.split("\n")) {
    if (line.startsWith("#")) continue;
    const [, key = "", value = ""] = /^([A-Za-z-]+):\s*(.*)$/.exec(line) ?? [];
    if (key !== "") last = key.toLowerCase();
    fields.set(last, `${fields.get(last) ?? ""} ${key === "" ? line.trim() : value}`.trim());
  }
  const words = (key: string): readonly string[] => (fields.get(key) ?? "").split(/\s+/).filter((word) => word !== "");
  if (!words("types").includes("deb") || words("enabled").includes("no")) return [];
  const [keyring] = words("signed-by");
  const options = keyring?.startsWith("/") === true ? `[signed-by=${keyring}] ` : "";
  const components = words("components").join(" ");
  return words("uris").flatMap((address) => words("suites").map((suite) => ({ options, address, suite, components })));
}
