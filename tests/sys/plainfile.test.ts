// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { readLines, readPlainFile } from "../../src/sys/plainfile.ts";

function inFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "dowel-plainfile-"));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test.each(["pipe", "socket", "/dev/zero", "/dev/tty", "folder"])("readPlainFile() does not wait for a %s", (kind) => {
  inFolder((folder) => {
    const path = kind.startsWith("/") ? kind : join(folder, "x");
    if (kind === "pipe") execFileSync("mkfifo", [path]);
    if (kind === "folder") execFileSync("mkdir", [path]);
    if (kind === "socket")
      execFileSync("python3", ["-c", `import socket; socket.socket(socket.AF_UNIX).bind("${path}")`]);
    expect(() => readPlainFile(path)).toThrow();
    expect(() => [...readLines(path, { longest: 10 })]).toThrow();
  });
});

test("readLines() reads what splitting the whole text says, but for lines that are too long", () => {
  inFolder((folder) => {
    const path = join(folder, "lines");
    const line = fc.oneof(
      fc.string({ maxLength: 9 }),
      fc.constantFrom("x".repeat(70_000), "y".repeat(65_535), "ä".repeat(40_000)),
    );
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 12 }),
        fc.boolean(),
        fc.constantFrom(4, 65_535, 200_000),
        (texts, ends, longest) => {
          const lines = texts.map((text) => text.replaceAll("\n", " "));
          writeFileSync(path, `${lines.join("\n")}${ends ? "\n" : ""}`);
          const whole = readFileSync(path, "utf8").split("\n");
          if (whole.at(-1) === "") whole.pop();
          const wanted = whole.filter((text) => Buffer.byteLength(text) <= longest);
          expect([...readLines(path, { longest })]).toEqual(wanted);
        },
      ),
      { numRuns: 60 },
    );
  });
});

test("readLines() answers the lines that begin in the newest bytes", () => {
  inFolder((folder) => {
    const path = join(folder, "lines");
    writeFileSync(path, "one\ntwo\nthree\n");
    const newest = (bytes: number): string[] => [...readLines(path, { longest: 10, newest: bytes })];
    expect([0, 5, 6, 9, 10, 14, 99].map(newest)).toEqual([
      [],
      [],
      ["three"],
      ["three"],
      ["two", "three"],
      ["one", "two", "three"],
      ["one", "two", "three"],
    ]);
  });
});

/** Bytes that this process has read since it began; proc_pid_io(5). */
const bytesRead = (): number => Number(/^rchar: ([0-9]+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);

test("readLines() holds no more than a block and a line of a huge file, and reads no more than is asked for", () => {
  inFolder((folder) => {
    const path = join(folder, "huge");
    writeFileSync(path, "first\n");
    // One line of zeros, which cost no space.
    truncateSync(path, 200 * 1024 * 1024);
    appendFileSync(path, "\nlast\n");
    const before = bytesRead();
    expect([...readLines(path, { longest: 100, newest: 1_000_000 })]).toEqual(["last"]);
    expect(bytesRead() - before).toBeLessThan(10_000_000);
    const memory = process.memoryUsage().rss;
    expect([...readLines(path, { longest: 100 })]).toEqual(["first", "last"]);
    expect(process.memoryUsage().rss - memory).toBeLessThan(150 * 1024 * 1024);
  });
});
