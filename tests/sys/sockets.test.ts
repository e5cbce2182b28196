// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, fstatSync, mkdtempSync, openSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Epoll, pollFor } from "../../src/sys/epoll.ts";
import {
  acceptUnix,
  connectUnix,
  listenUnix,
  peerCredentials,
  raiseDescriptorLimit,
  socketPair,
} from "../../src/sys/sockets.ts";
import { broken, closeDescriptors, FixedBuffer, receive, transmit, wouldBlock } from "../../src/sys/transfer.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-sockets-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const buffer = new FixedBuffer(4096);

function put(text: string): number {
  return Buffer.from(buffer.bytes.buffer).write(text, "latin1");
}

function got(count: number): string {
  return Buffer.from(buffer.bytes.buffer, 0, count).toString("latin1");
}

describe("Unix sockets", () => {
  for (const where of [{ path: () => join(folder, "socket") }, { abstract: `dowel-test-${process.pid}` }]) {
    test(`listenUnix() and connectUnix() meet at ${"path" in where ? "a path" : "an abstract name"}`, () => {
      const address = "path" in where ? { path: where.path() } : where;
      const listener = listenUnix(address);
      expect(acceptUnix(listener)).toBeUndefined();
      const client = connectUnix(address);
      const server = acceptUnix(listener) ?? -1;
      expect(transmit(client, buffer.address, put("hello"), [])).toBe(5);
      expect(got(receive(server, buffer.address, 4096, []))).toBe("hello");
      expect(peerCredentials(server)).toEqual({
        pid: process.pid,
        uid: process.getuid?.() ?? -1,
        gid: process.getgid?.() ?? -1,
      });
      closeDescriptors([listener, client, server]);
    });
  }

  test("name what is wrong", () => {
    expect(() => connectUnix({ path: join(folder, "nobody") })).toThrow("ENOENT: connect");
    expect(() => listenUnix({ path: `/${"x".repeat(108)}` })).toThrow("ENAMETOOLONG");
    expect(() => listenUnix({ path: folder })).toThrow("EADDRINUSE: bind");
  });

  test("raiseDescriptorLimit() gives the hard limit", () => expect(raiseDescriptorLimit()).toBeGreaterThan(255));
});

describe("transmit() and receive()", () => {
  test("pass descriptors, which are closed on exec", () => {
    const [left, right] = socketPair("stream");
    writeFileSync(join(folder, "file"), "content");
    const file = openSync(join(folder, "file"), "r");
    const received: number[] = [];
    expect(transmit(left, buffer.address, put("x"), [file, file, left])).toBe(1);
    expect(receive(right, buffer.address, 4096, received)).toBe(1);
    expect(received).toHaveLength(3);
    expect(fstatSync(received[1] ?? -1).ino).toBe(fstatSync(file).ino);
    expect(readlinkSync(`/proc/self/fd/${received[2]}`)).toStartWith("socket:");
    closeDescriptors([...received, file, left, right]);
  });

  test("pass 253 descriptors and no more", () => {
    const [left, right] = socketPair("stream");
    const received: number[] = [];
    expect(transmit(left, buffer.address, 1, Array(254).fill(left))).toBe(broken);
    expect(transmit(left, buffer.address, 1, Array(253).fill(left))).toBe(1);
    expect(receive(right, buffer.address, 4096, received)).toBe(1);
    expect(received).toHaveLength(253);
    closeDescriptors([...received, left, right]);
  });

  test("tell when there is nothing, when there is no room, and when the other end is gone", () => {
    const [left, right] = socketPair("stream");
    expect(receive(right, buffer.address, 4096, [])).toBe(wouldBlock);
    while (transmit(left, buffer.address, 4096, []) > 0);
    expect(transmit(left, buffer.address, 4096, [])).toBe(wouldBlock);
    closeSync(right);
    expect(transmit(left, buffer.address, 4096, [])).toBe(broken);
    closeSync(left);
  });
});

describe("Epoll", () => {
  test("tells which descriptor can do what", () => {
    using epoll = new Epoll();
    const [left, right] = socketPair("packets");
    epoll.add(left, 7, pollFor.input);
    epoll.add(right, 4_000_000_000, pollFor.output);
    expect(epoll.wait(-1)).toBe(1);
    expect([epoll.idOf(0), epoll.maskOf(0)]).toEqual([4_000_000_000, pollFor.output]);
    epoll.modify(right, 9, 0);
    expect(epoll.wait(0)).toBe(0);
    transmit(right, buffer.address, put("a"), []);
    expect(epoll.wait(-1)).toBe(1);
    expect([epoll.idOf(0), epoll.maskOf(0)]).toEqual([7, pollFor.input]);
    epoll.remove(left);
    expect(epoll.wait(0)).toBe(0);
    closeSync(left);
    expect(epoll.wait(-1)).toBe(1);
    expect(epoll.maskOf(0) & pollFor.hangup).toBe(pollFor.hangup);
    closeSync(right);
  });
});
