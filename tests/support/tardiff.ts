// SPDX-License-Identifier: Apache-2.0
// A maker of deltas in the form of containers/tar-diff, so simple that it can be checked by eye.
import { zstdCompressSync } from "node:zlib";

const code = { data: 0, open: 1, copy: 2, addData: 3, seek: 4 } as const;

/** One operation: its code, its number, and the bytes behind them. */
export function operation(name: keyof typeof code, size: number, bytes: Uint8Array = new Uint8Array(0)): Buffer {
  const head: number[] = [code[name]];
  let left = BigInt(size);
  for (; left >= 0x80n; left >>= 7n) head.push(Number(left & 0x7fn) | 0x80);
  return Buffer.concat([Buffer.from([...head, Number(left)]), bytes]);
}

export function data(bytes: Uint8Array): Buffer {
  return operation("data", bytes.length, bytes);
}

export function open(path: string): Buffer {
  return operation("open", Buffer.byteLength(path), Buffer.from(path));
}

export function delta(operations: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from("tardf1\n\0"), zstdCompressSync(Buffer.concat(operations))]);
}

/** The files of a ustar archive, by their names without `./`. */
function filesOfTar(tar: Buffer): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const { name, content } of membersOf(tar)) files.set(name, content);
  return files;
}

interface Member {
  readonly name: string;
  /** Where its header begins. */
  readonly at: number;
  readonly content: Buffer;
}

function* membersOf(tar: Buffer): Generator<Member> {
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const name = tar
      .subarray(at, at + 100)
      .toString()
      .replace(/\0.*$/s, "")
      .replace(/^\.\//, "");
    const size = Number.parseInt(tar.subarray(at + 124, at + 135).toString(), 8);
    yield { name, at, content: tar.subarray(at + 512, at + 512 + size) };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

/** What makes the new content of the old: what both begin with, the difference, what both end with. */
function between(old: Buffer, now: Buffer): Buffer[] {
  const most = Math.min(old.length, now.length);
  let head = 0;
  while (head < most && old[head] === now[head]) head += 1;
  if (old.length === now.length) {
    const difference = Buffer.from(now.subarray(head).map((byte, at) => byte - (old[head + at] ?? 0)));
    return [operation("copy", head), operation("addData", difference.length, difference)];
  }
  let tail = 0;
  while (tail < most - head && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail += 1;
  const middle = data(now.subarray(head, now.length - tail));
  return [operation("copy", head), middle, operation("seek", old.length - tail), operation("copy", tail)];
}

/** A delta that makes one archive of the files of another. */
export function makeDelta(from: Buffer, to: Buffer): Buffer {
  const old = filesOfTar(from);
  const operations: Buffer[] = [];
  let done = 0;
  for (const { name, at, content } of membersOf(to)) {
    const before = old.get(name);
    if (before === undefined || content.length === 0) continue;
    operations.push(data(to.subarray(done, at + 512)), open(name), ...between(before, content));
    done = at + 512 + content.length;
  }
  return delta([...operations, data(to.subarray(done))]);
}
