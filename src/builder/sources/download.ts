// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkCancelled, DowelError } from "../../base/errors.ts";
import type { Checksums, Origin } from "../manifest/types.ts";
import type { SourceContext } from "./context.ts";

/** What tells one content from another: the checksum, or for a local file the hash of what it holds now. */
export function originKey(origin: Origin): unknown {
  if (origin.kind === "url")
    return { url: origin.urls[0]?.startsWith("data:") ? origin.urls[0] : undefined, ...origin.checksums };
  return createHash("sha256").update(readLocal(origin.path)).digest("hex");
}

function readLocal(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DowelError("SOURCE_FETCH", `Cannot read the source ${path}: ${reason}`, { cause });
  }
}

/** The path of a local file with the content of an origin, fetched into `STATE/downloads/CHECKSUM/NAME` where needed. */
export async function fetchOrigin(origin: Origin, name: string, context: SourceContext): Promise<string> {
  if (origin.kind === "path") {
    if (!existsSync(origin.path)) throw new DowelError("SOURCE_FETCH", `The source ${origin.path} does not exist`);
    return origin.path;
  }
  const folder = origin.checksums.sha256 ?? origin.checksums.sha512 ?? dataDigest(origin.urls[0] ?? "");
  const path = join(context.state.folder("downloads", folder), name);
  if (existsSync(path)) return path;
  const failures: string[] = [];
  for (const url of origin.urls) {
    try {
      await fetchOnce(url, origin.checksums, path, context);
      return path;
    } catch (error) {
      checkCancelled(context.signal);
      if (error instanceof DowelError && error.code === "NO_SPACE") throw error;
      failures.push(error instanceof Error ? error.message : String(error));
      if (origin.urls.length === 1) throw error;
    }
  }
  throw new DowelError("SOURCE_FETCH", `Cannot fetch ${name} from any of its addresses:\n${failures.join("\n")}`);
}

function dataDigest(url: string): string {
  return createHash("sha256").update(url).digest("hex");
}

async function fetchOnce(url: string, checksums: Checksums, path: string, context: SourceContext): Promise<void> {
  const partial = `${path}.part`;
  if (/^https?:/i.test(url)) {
    await fetchHttp(url, partial, context);
  } else {
    const data = /^data:/i.test(url) ? decodeData(url) : readLocal(fileURLToPath(url));
    writeAll(partial, data, "w");
  }
  await verify(partial, url, checksums);
  renameSync(partial, path);
}

function decodeData(url: string): Buffer {
  const [, parameters = "", body = ""] = /^data:([^,]*),(.*)$/is.exec(url) ?? [];
  return /;base64$/i.test(parameters)
    ? Buffer.from(decodeURIComponent(body), "base64")
    : Buffer.from(decodeURIComponent(body));
}

function writeAll(path: string, data: Uint8Array, flags: string): void {
  const fd = openSync(path, flags);
  try {
    for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Continues after what an earlier, broken transfer left, where the server can. */
async function fetchHttp(url: string, partial: string, context: SourceContext): Promise<void> {
  const have = statSync(partial, { throwIfNoEntry: false })?.size ?? 0;
  const response = await request(url, have, context.signal);
  if (response.status === 416) {
    rmSync(partial, { force: true });
    return fetchHttp(url, partial, context);
  }
  if (!response.ok || response.body === null) {
    throw new DowelError("SOURCE_FETCH", `Cannot fetch ${url}: the server answers ${response.status}`);
  }
  const start = response.status === 206 ? have : 0;
  const size = start + Number(response.headers.get("content-length") ?? 0);
  context.report({ type: "fetch.start", name: url, size });
  const fd = openSync(partial, start === 0 ? "w" : "a");
  let done = start;
  try {
    for await (const chunk of response.body) {
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
      done += chunk.length;
      context.report({ type: "fetch.progress", name: url, done, size });
    }
    fsyncSync(fd);
  } catch (cause) {
    throw new DowelError("SOURCE_FETCH", `Cannot fetch ${url}: the transfer broke off after ${done} bytes`, { cause });
  } finally {
    closeSync(fd);
  }
  context.report({ type: "fetch.done", name: url, size: done, reused: false });
}

async function request(url: string, have: number, signal: AbortSignal | undefined): Promise<Response> {
  try {
    const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {};
    return await fetch(url, { headers: { ...headers, "accept-encoding": "identity" }, ...(signal ? { signal } : {}) });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DowelError("SOURCE_FETCH", `Cannot fetch ${url}: ${reason}`, { cause });
  }
}

async function verify(path: string, url: string, checksums: Checksums): Promise<void> {
  const wanted = Object.entries(checksums) as readonly (readonly [keyof Checksums, string])[];
  const hashes = wanted.map(([name]) => createHash(name));
  for await (const chunk of createReadStream(path)) for (const hash of hashes) hash.update(chunk as Buffer);
  for (const [index, [name, digest]] of wanted.entries()) {
    const found = hashes[index]?.digest("hex");
    if (found === digest) continue;
    rmSync(path, { force: true });
    throw new DowelError("SOURCE_INVALID", `${url}: expected ${name} ${digest}, found ${found}`, {
      hint: "Check that the address is right. If the file was changed on purpose, put its new checksum in the manifest.",
    });
  }
}
