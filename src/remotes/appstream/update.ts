// SPDX-License-Identifier: Apache-2.0
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DowelError, fileError, isDowelError } from "../../base/errors.ts";
import { type Report, silent } from "../../base/events.ts";
import { limits } from "../../base/limits.ts";
import { Registry } from "../../oci/client/registry.ts";
import { digestHex } from "../../oci/digest.ts";
import { collect, verifyBytes } from "../../oci/verify.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import { replaceFolder } from "../../sys/exchange.ts";
import { listRefs } from "../catalogue.ts";
import { decodeIcon, isIcon } from "../icons.ts";
import { parseLocation } from "../location.ts";
import { catalogueRepository } from "../naming.ts";
import type { Remote, RemoteRef } from "../types.ts";
import { composeCatalog, composeComponent, type IconSize } from "./compose.ts";

export interface AppstreamOptions {
  /** Folder of the installation. */
  readonly folder: string;
  readonly arch: string;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

const prefix = "org.freedesktop.appstream.";
const filesAtOnce = 8;

/** Gets AppStream data and icons of a catalogue, of which those that were here before are kept. */
class Files {
  readonly #folder: string;
  readonly #remote: Remote;
  readonly #signal: AbortSignal | undefined;

  constructor(folder: string, remote: Remote, signal: AbortSignal | undefined) {
    this.#folder = join(folder, "oci", "appstream");
    this.#remote = remote;
    this.#signal = signal;
  }

  /** The bytes of one of an image's files: from its label, from the cache, or from the registry. */
  async get(image: RemoteRef, name: string, most: number): Promise<Uint8Array | undefined> {
    const label = image.labels.get(prefix + name);
    if (label !== undefined) return name === "appdata" ? Buffer.from(label) : decodeIcon(label);
    const descriptor = image.appstream?.get(name);
    const location = parseLocation(this.#remote.url);
    if (descriptor === undefined || descriptor.size > most || location.kind !== "registry") return undefined;
    const path = join(this.#folder, digestHex(descriptor.digest));
    if (existsSync(path)) {
      const kept = readFileSync(path);
      if (kept.byteLength === descriptor.size) return verifyBytes(kept, descriptor, path);
    }
    const registry = new Registry(new URL("/", location.baseUrl).href);
    const repository = registry.repository(catalogueRepository(location.namespace));
    const stream = repository.openBlob(descriptor, { signal: this.#signal });
    const bytes = await collect(stream, most, `${repository.name}: ${descriptor.digest}`);
    mkdirSync(this.#folder, { recursive: true });
    writeFileDurably(path, bytes);
    return bytes;
  }
}

interface Composed {
  readonly component: string;
  readonly icons: ReadonlyMap<IconSize, Uint8Array>;
}

async function composeOne(image: RemoteRef, files: Files): Promise<Composed | undefined> {
  const appdata = await files.get(image, "appdata", limits.appdataBytes);
  if (appdata === undefined || appdata.byteLength > limits.appdataBytes) return undefined;
  const icons = new Map<IconSize, Uint8Array>();
  for (const size of [64, 128] as const) {
    const icon = await files.get(image, `icon-${size}`, limits.iconBytes);
    if (icon !== undefined && isIcon(icon)) icons.set(size, icon);
  }
  const component = composeComponent(image, Buffer.from(appdata).toString("utf8"), [...icons.keys()]);
  return component === undefined ? undefined : { component, icons };
}

/** Composes what can be; an app whose data are malformed is reported and left out. */
async function composeAll(refs: readonly RemoteRef[], files: Files, report: Report): Promise<Map<RemoteRef, Composed>> {
  const composed = new Map<RemoteRef, Composed>();
  const waiting = [...refs].reverse();
  const work = async (): Promise<void> => {
    for (let image = waiting.pop(); image !== undefined; image = waiting.pop()) {
      try {
        const one = await composeOne(image, files);
        if (one !== undefined) composed.set(image, one);
      } catch (error) {
        if (!isDowelError(error) || error.code === "ABORTED" || error.code === "REGISTRY_UNREACHABLE") throw error;
        report({ type: "warning", text: `${image.ref.id} is left out of the AppStream data: ${error.message}` });
      }
    }
  };
  await Promise.all(Array.from({ length: filesAtOnce }, work));
  return composed;
}

function write(folder: string, remote: string, refs: readonly RemoteRef[], composed: Map<RemoteRef, Composed>): void {
  const components: string[] = [];
  for (const size of [64, 128]) mkdirSync(join(folder, "icons", `${size}x${size}`), { recursive: true });
  for (const image of refs) {
    const one = composed.get(image);
    if (one === undefined) continue;
    components.push(one.component);
    for (const [size, bytes] of one.icons) {
      writeFileSync(join(folder, "icons", `${size}x${size}`, `${image.ref.id}.png`), bytes);
    }
  }
  const catalog = composeCatalog(remote, components);
  // No time in the header, so that equal data are equal files.
  writeFileDurably(join(folder, "appstream.xml.gz"), gzipSync(catalog, { level: 9 }));
  writeFileSync(join(folder, ".timestamp"), "");
}

/**
 * Writes what a remote offers as AppStream data for software centres, where Flatpak writes them for OCI remotes:
 * `INSTALLATION/appstream/REMOTE/ARCH/` with `appstream.xml.gz` and `icons/{64x64,128x128}/ID.png`. Answers the number
 * of apps. What was there stays where the remote does not answer. Throws what the registry throws, and file errors.
 */
export async function updateAppstream(remote: Remote, options: AppstreamOptions): Promise<number> {
  const { folder, arch, report = silent, signal } = options;
  if (!/^[A-Za-z0-9_]+$/.test(arch))
    throw new DowelError("REF_INVALID", `Invalid architecture ${JSON.stringify(arch)}`);
  const refs = await listRefs(remote, { arch, cacheFolder: folder, signal });
  const composed = await composeAll(refs, new Files(folder, remote, signal), report);
  const parent = join(folder, "appstream", remote.name);
  try {
    mkdirSync(parent, { recursive: true });
    const made = mkdtempSync(join(parent, ".new-"));
    try {
      chmodSync(made, 0o755);
      write(made, remote.name, refs, composed);
      replaceFolder(made, join(parent, arch));
    } finally {
      rmSync(made, { recursive: true, force: true });
    }
  } catch (error) {
    throw fileError(error, "write", parent);
  }
  return composed.size;
}
