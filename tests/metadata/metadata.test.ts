// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { parseMetadata } from "../../src/metadata/metadata.ts";

const app = `[Application]
name=org.example.App
runtime=org.example.Platform/x86_64/1
sdk=org.example.Sdk/x86_64/1
command=app
required-flatpak=1.0.0;1.1.0;
tags=stable;

[Context]
shared=network;

[Extension org.example.App.Plugin]
directory=plugins
subdirectories=true
add-ld-path=lib

[Extension org.example.App.Locale@x]
directory=share/runtime/locale
versions=1;2

[Build]
built-extensions=org.example.App.Debug;
`;

describe("parseMetadata()", () => {
  test("parseMetadata() reads an app", () => {
    const metadata = parseMetadata(app);
    expect(metadata.kind).toBe("app");
    expect(metadata.runtime).toEqual({ kind: "runtime", id: "org.example.Platform", arch: "x86_64", branch: "1" });
    expect(metadata.sdk?.id).toBe("org.example.Sdk");
    expect(metadata.command).toBe("app");
    expect(metadata.requiredFlatpak).toEqual(["1.0.0", "1.1.0"]);
    expect(metadata.permissions.shared.get("network")?.allowed).toBe(true);
    expect(metadata.extensions.map(({ name, tag, versions }) => ({ name, tag, versions }))).toEqual([
      { name: "org.example.App.Plugin", tag: undefined, versions: [] },
      { name: "org.example.App.Locale", tag: "x", versions: ["1", "2"] },
    ]);
    expect(metadata.builtExtensions).toEqual(["org.example.App.Debug"]);
  });

  test("parseMetadata() reads a runtime and an extension of one", () => {
    const metadata = parseMetadata(
      "[Runtime]\nname=org.example.Ext\n[ExtensionOf]\nref=runtime/org.example.Platform/x86_64/1\n",
    );
    expect(metadata.kind).toBe("runtime");
    expect(metadata.runtime).toBeUndefined();
    expect(metadata.extensionOf).toBe("runtime/org.example.Platform/x86_64/1");
  });

  test.each(["../x", "/abs", "a/../b", ""])(
    "parseMetadata() leaves out an extension with the folder %j",
    (directory) => {
      const text = `[Runtime]\nname=org.example.R\n[Extension org.example.E]\ndirectory=${directory}\n`;
      expect(parseMetadata(text).extensions).toEqual([]);
    },
  );

  test.each([
    ["", "METADATA_INVALID", "name"],
    ["[Application]\nname=x\n", "METADATA_INVALID", '"x" is not an id'],
    ["[Application]\nname=org.example.App\n", "METADATA_INVALID", "runtime is missing"],
    ["[Application]\nname=org.example.App\nruntime=bad\n", "METADATA_INVALID", "ID/ARCH/BRANCH"],
    ["[Runtime]\nname=org.example.R\ncommand=a\u001b[2K\n", "METADATA_INVALID", "control characters"],
    ["no group\n", "METADATA_INVALID", "line 1"],
    ["[Runtime]\nname=org.example.R\n[Context]\nfilesystems=/\u0007\n", "PERMISSION_INVALID", "control characters"],
  ])("parseMetadata() refuses %j", (text, code, message) => {
    expect(() => parseMetadata(text)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });
});
