// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { formatLibrary, type LibraryFolder } from "../../../src/metadata/library.ts";
import { binds, type FakeNode, folder, specifyExample } from "./fake-host.ts";

const shelf = "/run/flatpak/library";
const file = "/home/ann/.local/share/dowel/library/org.example.App";

function shown(folders: readonly LibraryFolder[], nodes: Readonly<Record<string, FakeNode>>, profile = "") {
  const run = profile === "" ? {} : { run: { profile } };
  const name = profile === "" ? file : `${file}@${profile}`;
  const specification = specifyExample({ nodes: { ...nodes, [`${name}.json`]: formatLibrary(folders) }, ...run });
  expect(specification.mounts).toContainEqual({ kind: "seal", target: shelf });
  return binds(specification).filter((line) => line.includes(shelf));
}

test("specify() shows picked folders, distrusts their places, and lets the app write where it may", () => {
  const folders = [
    { name: "a", path: "/srv/a", access: "rw" },
    { name: "b", path: "/srv/b", access: "ro" },
  ] as const;
  const nodes = { "/srv/a": folder, "/srv/b": folder };
  expect(shown(folders, nodes)).toEqual([`/srv/a ${shelf}/a rw`, `/srv/b ${shelf}/b ro`]);
  expect(shown(folders, nodes, "work")).toHaveLength(2);
  const text = formatLibrary(folders);
  const { mounts, landlock } = specifyExample({ nodes: { ...nodes, [`${file}.json`]: text } });
  const found = mounts.filter((mount) => mount.kind === "bind" && mount.target.startsWith(shelf));
  expect(found).toMatchObject([
    { distrusted: true, optional: true },
    { distrusted: true, optional: true },
  ]);
  // What comes while the app runs may be written to as well, where its own mount lets it.
  expect(landlock?.rules.map(({ path }) => path)).toContain(shelf);
});

test("specify() leaves out what is missing, no folder, behind a link, or on another medium", () => {
  const nodes = {
    "/srv/file": "text",
    "/srv/link": { link: "/srv/real" },
    "/srv/real/inner": folder,
    "/media/blue/x": folder,
  };
  const pick = (path: string, medium?: string) => shown([{ name: "x", path, access: "rw", medium }], nodes);
  expect(pick("/srv/real/inner")).toHaveLength(1);
  expect(pick("/media/blue/x", "uuid:blue")).toHaveLength(1);
  for (const path of ["/srv/none", "/srv/file", "/srv/link", "/srv/link/inner"]) expect(pick(path)).toEqual([]);
  expect(pick("/media/blue/x", "uuid:red")).toEqual([]);
  expect(pick("/srv/real/inner", "uuid:red")).toEqual([]);
});
