// SPDX-License-Identifier: Apache-2.0
// Flatpak itself reads what Dowel writes.
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { writeImage } from "../../../src/builder/image/image.ts";
import { addParents, type Tree, textContent } from "../../../src/builder/tree/types.ts";
import { openLayoutWriter } from "../../../src/oci/layoutwriter.ts";
import { TestFolder } from "../support.ts";

const metadata = "[Application]\nname=org.example.App\nruntime=org.example.Platform/x86_64/1\n";
const name = "app/org.example.App/x86_64/stable";

test.each(["gzip", "zstd", "zstd:chunked"] as const)(
  "flatpak build-import-bundle imports a %s image",
  async (compression) => {
    using folder = new TestFolder();
    const tree: Tree = new Map();
    for (const [path, text] of [
      ["files/bin/run", "#!/bin/sh\n"],
      ["metadata", metadata],
    ] as const) {
      addParents(tree, path);
      tree.set(path, { kind: "file", executable: path !== "metadata", content: textContent(text) });
    }
    tree.set("files/bin/again", { kind: "hardlink", to: "files/bin/run" });
    tree.set("files/bin/link", { kind: "symlink", target: "run" });
    tree.set("export", { kind: "directory" });
    const layout = folder.join("layout");
    const ref = { kind: "app", id: "org.example.App", arch: "x86_64", branch: "stable" } as const;
    const input = { ref, tree, metadata, layout: "flatpak", timestamp: 7, subject: "subject" } as const;
    await writeImage(await openLayoutWriter(layout), input, { compression, signal: undefined });
    const repository = folder.join("repo");
    const run = (...words: readonly [string, ...string[]]): string =>
      execFileSync(words[0], words.slice(1), { encoding: "utf8" });
    run("ostree", "init", `--repo=${repository}`, "--mode=bare-user-only");
    run("flatpak", "build-import-bundle", "--oci", `--ref=${name}`, repository, layout);
    expect(run("ostree", `--repo=${repository}`, "cat", name, "/metadata")).toBe(metadata);
    expect(run("ostree", `--repo=${repository}`, "cat", name, "/files/bin/again")).toBe("#!/bin/sh\n");
    expect(run("ostree", `--repo=${repository}`, "ls", "-R", name, "/files/bin")).toContain("/files/bin/link -> run");
    expect(run("ostree", `--repo=${repository}`, "show", "--print-metadata-key=xa.metadata", name)).toContain(
      "name=org.example.App",
    );
  },
);
