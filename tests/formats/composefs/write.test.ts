// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import type { Directory } from "../../../src/formats/composefs/model.ts";
import { writeComposefs } from "../../../src/formats/composefs/write.ts";
import { fsVerityDigest } from "../../../src/formats/fsverity/digest.ts";

const emptyTree: Directory = {
  kind: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  xattrs: new Map(),
  entries: new Map(),
};

describe("writeComposefs()", () => {
  for (const [version, digest] of [
    [0, "8f589e8f57ecb88823736b0d857ddca1e1068a23e264fad164b28f7038eb3682"],
    [1, "14a26c957c84f6eb774b91205476adc13196c7c33b9dd97d08d43725ecb90b63"],
  ] as const) {
    test(`writeComposefs() gives the published digest of the empty tree in version ${version}`, () => {
      const image = writeComposefs(emptyTree, { version });
      expect(Buffer.from(fsVerityDigest(image)).toString("hex")).toBe(digest);
    });
  }
});
