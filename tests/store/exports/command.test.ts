// SPDX-License-Identifier: Apache-2.0

import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { sandboxedCommand, splitCommand } from "../../../src/store/exports/command.ts";

const ref = { kind: "app", id: "org.test.App", arch: "x86_64", branch: "stable" } as const;
const run = "dowel run --branch=stable --arch=x86_64";

function command(exec: string | undefined, runOptions: string[] = []): string {
  return sandboxedCommand({ program: ["dowel"], ref, exec, runOptions, file: "app.desktop" });
}

test.each([
  ["hello", `${run} --command=hello org.test.App`],
  ["hello --flag value", `${run} --command=hello org.test.App --flag value`],
  ["hello %f", `${run} --command=hello --file-forwarding org.test.App @@ %f @@`],
  ["hello %F", `${run} --command=hello --file-forwarding org.test.App @@ %F @@`],
  ["hello %u", `${run} --command=hello --file-forwarding org.test.App @@u %u @@`],
  ["hello -o %U -v", `${run} --command=hello --file-forwarding org.test.App -o @@u %U @@ -v`],
  ["hello --file=%f %c", `${run} --command=hello org.test.App --file=%f %c`],
  ['"my program" "a b"', `${run} "--command=my program" org.test.App "a b"`],
  ["hello 'it''s $HOME'", `${run} --command=hello org.test.App "its \\$HOME"`],
  ["hello ';' '&&' reboot", `${run} --command=hello org.test.App ";" "&&" reboot`],
  ["--tmpfs=/x", `${run} --command=--tmpfs=/x org.test.App`],
  ["", `${run} org.test.App`],
  ["hello 'open", `${run} org.test.App`],
  [undefined, `${run} org.test.App`],
])("sandboxedCommand() turns %j into the command in the sandbox", (exec, expected) => {
  expect(command(exec)).toBe(expected);
});

test("sandboxedCommand() passes on the run options that it knows, and no others", () => {
  expect(command("a", ["no-a11y-bus", "filesystem=host", "no-documents-portal"])).toBe(
    `${run} --no-a11y-bus --no-documents-portal --command=a org.test.App`,
  );
});

test.each(["hello @@ /etc/passwd @@", "hello @@u %u @@", "hello '@@' x", 'hello "@@x"', "hello \\@@ x"])(
  "sandboxedCommand() refuses %j, which would forward files (CVE-2021-21381)",
  (exec) => {
    expect(() => command(exec)).toThrow(expect.objectContaining({ code: "EXPORT_INVALID" }));
  },
);

test("splitCommand() splits what a shell splits alike", () => {
  const word = fc.stringMatching(/^[a-z %;"'\\$`|]{1,8}$/);
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
      const line = words.map((one) => `'${one.replaceAll("'", "'\\''")}'`).join(" ");
      const expected = execFileSync("sh", ["-c", `printf '%s\\0' ${line}`], { encoding: "utf8" })
        .split("\0")
        .slice(0, -1);
      expect(splitCommand(line)).toEqual(expected);
    }),
    { numRuns: 30 },
  );
});

test("sandboxedCommand() gives words that a shell reads back as they were", () => {
  const word = fc.stringMatching(/^[a-z ;"'\\$`|&]{1,8}$/);
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 3 }), (words) => {
      const exec = ["prog", ...words].map((one) => `'${one.replaceAll("'", "'\\''")}'`).join(" ");
      const line = command(exec).replace(/^dowel/, "printf '%s\\0'");
      const seen = execFileSync("sh", ["-c", line], { encoding: "utf8" }).split("\0").slice(0, -1);
      expect(seen.slice(-words.length)).toEqual(words);
    }),
    { numRuns: 30 },
  );
});
