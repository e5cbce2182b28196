// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { constants, createReadStream, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { checkCancelled, DowelError, fileError, isDowelError } from "../../base/errors.ts";
import type { Report } from "../../base/events.ts";
import type { ExtraFile } from "../../metadata/extradata.ts";
import { watchedBody } from "../../oci/client/blobs.ts";
import { Transport } from "../../oci/client/transport.ts";
import type { Installation } from "../../store/installation.ts";
import { lockFile } from "../../sys/locks.ts";

export interface DownloadContext {
  readonly installation: Pick<Installation, "tmp">;
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
}

/** Attempts that bring nothing before a transfer counts as failed. */
const fruitlessAttempts = 5;
const progressBytes = 1024 * 1024;

/** Where a file lies when it has come whole. Interrupted transfers of an installation are kept beside it. */
export function extraPath(installation: Pick<Installation, "tmp">, { checksum }: ExtraFile): string {
  return join(installation.tmp, "blobs", `extra-${checksum}`);
}

function wrong(file: ExtraFile, problem: string): DowelError {
  return new DowelError("EXTRA_DATA", `${file.uri}: ${problem}`, {
    hint: "Its maker has put another file there, or somebody has changed it on the way; tell who packs the app.",
  });
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

async function isWhole(path: string, { size, checksum }: ExtraFile): Promise<boolean> {
  return statSync(path, { throwIfNoEntry: false })?.size === size && (await digestOfFile(path)) === checksum;
}

/**
 * Fetches a file of extra data, unless it is here, into the installation's `tmp/blobs`, and answers its path: its size
 * and SHA-256 are those that the image names. What an earlier try brought is gone on with. Throws `EXTRA_DATA`,
 * `REGISTRY_UNREACHABLE`, `TRANSFER_INCOMPLETE`, `NO_SPACE`.
 */
export async function downloadExtra(file: ExtraFile, context: DownloadContext): Promise<string> {
  const path = extraPath(context.installation, file);
  const name = `extra data ${file.name}`;
  if (await isWhole(path, file)) {
    context.report({ type: "fetch.done", name, size: file.size, reused: true });
    return path;
  }
  const part = `${path}.part`;
  context.report({ type: "fetch.start", name, size: file.size });
  try {
    mkdirSync(join(path, ".."), { recursive: true });
    using _lock = await lockFile(`${path}.lock`, { exclusive: true, signal: context.signal });
    // Somebody else may have fetched it meanwhile.
    if (!(await isWhole(path, file))) {
      await fetchWhole(file, part, context);
      renameSync(part, path);
    }
  } catch (error) {
    throw fileError(error, "fetch", file.uri);
  }
  context.report({ type: "fetch.done", name, size: file.size, reused: false });
  return path;
}

async function fetchWhole(file: ExtraFile, part: string, context: DownloadContext): Promise<void> {
  const target = await open(part, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    if (statSync(part).size > file.size) await target.truncate(0);
    const transport = new Transport(`${new URL(file.uri).origin}/`, { credentials: async () => undefined });
    for (let failures = 0, have = statSync(part).size; have < file.size; ) {
      try {
        have = await fetchMore(transport, file, target, have, context);
      } catch (error) {
        checkCancelled(context.signal);
        const now = statSync(part).size;
        failures = now > have ? 1 : failures + 1;
        have = now;
        if (!isDowelError(error, "TRANSFER_INCOMPLETE") || failures >= fruitlessAttempts) throw error;
        await transport.pause(failures, context.signal);
      }
    }
  } finally {
    await target.close();
  }
  const found = await digestOfFile(part);
  if (found === file.checksum) return;
  rmSync(part);
  throw wrong(file, `its SHA-256 is ${found}, expected ${file.checksum}`);
}

/** One request for what is missing; answers how many bytes there are then. */
async function fetchMore(
  transport: Transport,
  file: ExtraFile,
  target: FileHandle,
  have: number,
  { report, signal }: DownloadContext,
): Promise<number> {
  const headers: Record<string, string> = have === 0 ? {} : { range: `bytes=${have}-` };
  const answer = await transport.request({
    method: "GET",
    url: file.uri,
    headers,
    scopes: [],
    expect: [200, 206],
    signal,
  });
  const { status, headers: said } = answer.response;
  const start = status === 206 ? Number(/^bytes ([0-9]{1,16})-/.exec(said.get("content-range") ?? "")?.[1]) : 0;
  if (start !== have) {
    // The server sends all of it, or something else: begin anew.
    await target.truncate(0);
    if (start !== 0) throw wrong(file, `asked for bytes from ${have}, got ${said.get("content-range") ?? "others"}`);
  }
  let done = start;
  let reported = done;
  for await (const chunk of watchedBody(transport, answer, signal)) {
    if (done + chunk.length > file.size) {
      await target.truncate(0);
      throw wrong(file, `is larger than the ${file.size} bytes that the image says`);
    }
    for (let at = 0; at < chunk.length; ) {
      at += (await target.write(chunk, at, chunk.length - at, done + at)).bytesWritten;
    }
    done += chunk.length;
    if (done - reported < progressBytes) continue;
    reported = done;
    report({ type: "fetch.progress", name: `extra data ${file.name}`, done, size: file.size });
  }
  if (done === file.size) return done;
  throw new DowelError("TRANSFER_INCOMPLETE", `${file.uri}: ended after ${done} of ${file.size} bytes`);
}
