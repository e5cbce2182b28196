// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { deployImage } from "../../../src/store/deploy/deploy.ts";
import { importImage } from "../../../src/store/transfer/import.ts";
import { appLabels, appMetadata, openImage, TestFolder, writeTree } from "../images.ts";

const id = "org.test.Hello";
const metadata = appMetadata(id);
const program = "#!/bin/sh\necho hello\n";

/** Runs a shell script in a folder; each peer writes its image as the layout `image`. */
function makeImage(folder: TestFolder, script: string): string {
  writeTree(join(folder.path, "tree"), { metadata, "files/bin/hello:755": program, "files/link": "-> bin/hello" });
  execFileSync("ln", [join(folder.path, "tree/files/bin/hello"), join(folder.path, "tree/files/linked")]);
  const env = { ...process.env, XDG_DATA_HOME: join(folder.path, "data"), METADATA: metadata };
  execFileSync("sh", ["-e", "-c", script], { cwd: folder.path, env, stdio: ["ignore", "ignore", "pipe"] });
  return join(folder.path, "image");
}

const umoci = `umoci init --layout plain
umoci new --image plain:latest
umoci insert --rootless --image plain:latest tree/files /app
umoci insert --rootless --opaque --image plain:latest tree/files /app/again
${Object.entries(appLabels(id))
  .map(([key, value]) => `umoci config --image plain:latest --config.label '${key}=${value}'`)
  .join("\n")}
`;

const peers: Readonly<Record<string, string>> = {
  "flatpak build-bundle": `ostree init --repo=repo --mode=archive
mkdir tree/export
ostree commit --repo=repo -b app/${id}/x86_64/stable --owner-uid=0 --owner-gid=0 --add-metadata-string=xa.metadata="$METADATA" tree
flatpak build-bundle --oci repo image ${id} stable`,
  umoci: `${umoci}mv plain image`,
  "umoci and skopeo with zstd": `${umoci}skopeo copy --insecure-policy --dest-compress --dest-compress-format zstd oci:plain:latest oci:image:latest`,
};

describe("importImage()", () => {
  for (const [name, script] of Object.entries(peers)) {
    test(`reads an image made by ${name}`, async () => {
      using folder = new TestFolder();
      const installation = folder.installation();
      const { source, document } = await openImage(makeImage(folder, script));
      const image = await importImage(installation, source, document);
      const deployment = await deployImage(installation, image, { origin: "test", source: source.name });
      expect(deployment).toMatchObject({ ref: { id, branch: "stable" }, metadata });
      for (const path of ["bin/hello", "linked", "link"]) {
        expect(readFileSync(join(deployment.path, "files", path), "utf8")).toBe(program);
      }
    });
  }
});
