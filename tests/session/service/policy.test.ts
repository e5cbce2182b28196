// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DowelError } from "../../../src/base/errors.ts";
import { policiesFor } from "../../../src/session/service/policy.ts";
import { dowelPath } from "../../e2e/support.ts";

test("policiesFor() asks one process for all, and tells of each that has none", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dowel-policies-"));
  const { DOWEL_LAUNCHER: before } = process.env;
  try {
    const launcher = join(folder, "launcher");
    writeFileSync(launcher, `#!/bin/sh\necho "$*" >> ${folder}/calls\nexec ${dowelPath} "$@"\n`, { mode: 0o755 });
    process.env["DOWEL_LAUNCHER"] = launcher;
    const starts = Array.from({ length: 100 }, (_, index) => ["--user", `org.example.Missing${index}`]);
    const policies = await policiesFor([...starts, ["--no-such-option"]], new AbortController().signal);
    expect(readFileSync(join(folder, "calls"), "utf8")).toBe("plumbing bus-policies\n");
    expect(policies.length).toBe(101);
    policies.forEach((policy, index) => {
      expect(policy).toBeInstanceOf(DowelError);
      expect(String(policy)).toContain(index < 100 ? `org.example.Missing${index}` : "no-such-option");
    });
  } finally {
    if (before === undefined) delete process.env["DOWEL_LAUNCHER"];
    else process.env["DOWEL_LAUNCHER"] = before;
    rmSync(folder, { recursive: true });
  }
});
