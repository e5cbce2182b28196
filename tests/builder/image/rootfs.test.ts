// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { toRootfs } from "../../../src/builder/image/rootfs.ts";
import { appConfig, runtimeConfig } from "../../../src/builder/image/runconfig.ts";
import { addParents, type Tree, type TreeEntry, textContent } from "../../../src/builder/tree/types.ts";
import { parseMetadata } from "../../../src/metadata/metadata.ts";

const file: TreeEntry = { kind: "file", executable: true, content: textContent("x") };

function tree(entries: Readonly<Record<string, TreeEntry>>): Tree {
  const result: Tree = new Map();
  for (const [path, entry] of Object.entries(entries)) {
    addParents(result, path);
    result.set(path, entry);
  }
  return result;
}

const runtime = parseMetadata("[Runtime]\nname=org.example.Platform\n\n[Environment]\nA=1\nB=2\n");
const app = parseMetadata(
  "[Application]\nname=org.example.App\nruntime=org.example.Platform/x86_64/1\ncommand=run\n\n[Environment]\nB=3\n",
);

test("toRootfs() makes a whole root of a runtime, with links and /etc in their places", () => {
  const root = toRootfs(
    tree({
      "files/bin/sh": file,
      "files/lib64/ld.so": file,
      "files/etc/one": file,
      "files/etc/two": { kind: "hardlink", to: "files/etc/one" },
      "files/libexec/x": file,
      metadata: file,
    }),
    { kind: "runtime" },
    runtime,
  );
  expect(root.get("bin")).toEqual({ kind: "symlink", target: "usr/bin" });
  expect(root.get("lib64")).toEqual({ kind: "symlink", target: "usr/lib64" });
  expect(root.get("etc/two")).toEqual({ kind: "hardlink", to: "etc/one" });
  expect(root.get("tmp")).toEqual({ kind: "directory" });
  expect(["usr/etc", "lib", "libexec", "metadata"].filter((path) => root.has(path))).toEqual([]);
  expect(runtimeConfig(runtime, root)).toEqual({
    env: ["PATH=/usr/bin:/usr/sbin", "A=1", "B=2"],
    entrypoint: [],
    command: ["/bin/sh"],
  });
});

test("toRootfs() leaves an extension without what only a root needs", () => {
  const metadata = parseMetadata(
    "[Runtime]\nname=org.example.App.Locale\n\n[ExtensionOf]\nref=app/org.example.App/x86_64/1\n",
  );
  expect([...toRootfs(tree({ "files/de/x": file }), { kind: "runtime" }, metadata).keys()].sort()).toEqual([
    "usr",
    "usr/de",
    "usr/de/x",
  ]);
});

test("appConfig() starts the command with the variables of runtime and app", () => {
  const root = toRootfs(tree({ "files/bin/run": file, "files/lib/liba.so": file }), { kind: "app" }, app);
  expect([...root.keys()]).toContain("app/bin/run");
  expect(appConfig(app, runtime, root)).toEqual({
    env: [
      ...["PATH=/app/bin:/usr/bin", "XDG_CONFIG_DIRS=/app/etc/xdg:/etc/xdg", "XDG_DATA_DIRS=/app/share:/usr/share"],
      ...["LD_LIBRARY_PATH=/app/lib", "A=1", "B=3"],
    ],
    entrypoint: ["/app/bin/run"],
    command: [],
  });
  expect(appConfig(app, undefined, tree({})).entrypoint).toEqual(["run"]);
});
