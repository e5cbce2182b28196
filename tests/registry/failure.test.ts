// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { DowelError } from "../../src/base/errors.ts";
import { failureResponse } from "../../src/registry/failure.ts";

test("failureResponse() tells a client of a full disk, and nothing of paths", async () => {
  const raw = Object.assign(new Error("ENOSPC: no space left on device, write '/srv/x'"), {
    code: "ENOSPC",
    path: "/srv/x",
  });
  for (const error of [raw, new DowelError("NO_SPACE", "Cannot write /srv/x: no space is left")]) {
    const response = failureResponse(error);
    expect(response.status).toBe(507);
    const text = await response.text();
    expect(text).toContain("no space is left in the registry");
    expect(text).not.toContain("/srv/x");
  }
  const other = failureResponse(Object.assign(new Error("EIO: /srv/x"), { code: "EIO" }));
  expect(other.status).toBe(500);
  expect(await other.text()).not.toContain("/srv/x");
});
