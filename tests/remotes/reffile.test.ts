// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { loadRefFile, looksLikeRefFile, parseRefFile } from "../../src/remotes/reffile.ts";

const parse = (text: string) => parseRefFile(Buffer.from(text), "test.flatpakref", "x86_64");

test("parseRefFile() reads what the page flatpak-flatpakref(5) names", () => {
  const text = `[Flatpak Ref]
Name=org.example.App
Branch=stable
Url=oci+https://registry.example/apps
SuggestRemoteName=example
Title=Example
RuntimeRepo=https://example.org/runtimes.flatpakrepo
IsRuntime=false
`;
  expect(parse(text)).toMatchObject({
    ref: { kind: "app", id: "org.example.App", arch: "x86_64", branch: "stable" },
    remote: { url: "oci+https://registry.example/apps", title: "Example" },
    suggestedName: "example",
    runtimeRepo: "https://example.org/runtimes.flatpakrepo",
  });
  expect(parse(text.replace("IsRuntime=false", "IsRuntime=true\nGPGKey=AAAA"))).toMatchObject({
    ref: { kind: "runtime" },
    remote: { gpgVerify: true },
  });
  expect(parse(text.replace("Branch=stable\n", "")).ref.branch).toBe("master");
  expect(parse(text.replace("=example\n", "=../../x\n")).suggestedName).toBeUndefined();
});

test.each([
  ["[Other]\nName=a.b.c\n", "SCHEMA", "[Flatpak Ref]"],
  ["[Flatpak Ref]\nName=a.b.c\n", "SCHEMA", "Url"],
  ["[Flatpak Ref]\nUrl=oci+https://h\n", "SCHEMA", "Name"],
  ["[Flatpak Ref]\nVersion=2\nName=a.b.c\nUrl=oci+https://h\n", "SCHEMA", "Version"],
  ["[Flatpak Ref]\nName=../x\nUrl=oci+https://h\n", "REF_INVALID", "x"],
])("parseRefFile() refuses %j", (text, code, named) => {
  expect(() => parse(text)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(named) }));
});

test("looksLikeRefFile() tells files and addresses from refs", () => {
  expect(["a.flatpakref", "./dir/a.flatpakref", "https://h/a.flatpakref?x=1"].every(looksLikeRefFile)).toBe(true);
  expect(["org.example.App", "oci:dir", ".flatpakref"].some(looksLikeRefFile)).toBe(false);
});

test.each(["oci:/var/lib/secret", "oci-archive:/var/lib/secret.tar"])(
  "loadRefFile() refuses images of this machine, %s, in a file from the network",
  async (url) => {
    const text = `[Flatpak Ref]\nName=org.example.App\nUrl=${url}\n`;
    using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(text) });
    const loading = loadRefFile(new URL("/app.flatpakref", server.url).href, "x86_64");
    await expect(loading).rejects.toMatchObject({ code: "NOT_PERMITTED" });
    expect(parse(text).remote.url).toBe(url);
  },
);
