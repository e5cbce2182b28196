// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { sha256 } from "../support/layout.ts";
import { unpackPackages } from "./mkcomposefs.ts";
import type { ProgramSource } from "./programs.ts";

const packages = [
  ...["skopeo", "flatpak", "dbus-daemon"],
  ...["pipewire", "pipewire-bin", "pipewire-pulse", "wireplumber", "pulseaudio-utils"],
];
/** A tree of Debian 13 with these, unpacked aside and not configured; kept between runs of the tests. */
const debian13 = `/var/cache/dowel-tests/debian-13-${sha256(Buffer.from(packages.join())).slice(0, 8)}`;

/** Makes the tree where it is missing; answers why it could not be done. */
export async function prepareDebian13(): Promise<string | undefined> {
  if (existsSync(debian13)) return undefined;
  return unpackPackages("trixie", packages, debian13, (tree) => {
    for (const name of ["dev", "etc", "proc", "run", "sys", "tmp", "var/tmp"]) {
      mkdirSync(join(tree, name), { recursive: true });
    }
    for (const name of ["bin", "lib", "lib64", "sbin"]) {
      if (existsSync(join(tree, "usr", name)) && !existsSync(join(tree, name))) {
        symlinkSync(`usr/${name}`, join(tree, name));
      }
    }
  });
}

function librariesFolder(): string {
  const triple = readdirSync(join(debian13, "usr/lib")).find((name) => name.endsWith("-linux-gnu")) ?? "";
  return join(debian13, "usr/lib", triple);
}

function loaderOf(libraries: string): readonly string[] {
  const loader = readdirSync(libraries).find((name) => /^ld-linux.*\.so\.\d+$/.test(name)) ?? "";
  return [join(libraries, loader), "--library-path", `${libraries}:${libraries}/pulseaudio`];
}

/** The words that start a program of the tree with its own loader and libraries, in this machine's root. */
export function startOf(program: string): readonly string[] {
  return [...loaderOf(librariesFolder()), join(debian13, "usr/bin", program)];
}

/** Programs of the tree for others' sandboxes. */
export function debian13Programs(): ProgramSource {
  return { root: debian13, listLibraries: [...loaderOf(librariesFolder()), "--list"] };
}

/** Variables by which PipeWire and WirePlumber of the tree find what is theirs. */
export function pipewireVariables(): Readonly<Record<string, string>> {
  const libraries = librariesFolder();
  const data = join(debian13, "usr/share/wireplumber");
  return {
    PIPEWIRE_MODULE_DIR: join(libraries, "pipewire-0.3"),
    SPA_PLUGIN_DIR: join(libraries, "spa-0.2"),
    ...{ WIREPLUMBER_MODULE_DIR: join(libraries, "wireplumber-0.5"), WIREPLUMBER_CONFIG_DIR: data },
    WIREPLUMBER_DATA_DIR: data,
  };
}

/** Only this process sees the mounts. `chroot` would not do: user namespaces cannot be made in one. */
const script = `set -eu
tree=$1 work=$2
shift 2
mount --bind "$tree" "$tree"
for name in tmp run var/tmp; do mount -t tmpfs tmpfs "$tree/$name"; done
mount --rbind /dev "$tree/dev"
mount --rbind /sys "$tree/sys"
mount --rbind /proc "$tree/proc"
mount --bind /etc "$tree/etc"
mkdir -p "$tree$work" "$tree/tmp/old"
mount --bind "$work" "$tree$work"
cd "$tree"
pivot_root . tmp/old
cd "$work"
exec dbus-run-session -- "$@"
`;

/** The words that start a program with the tree as its root, a folder of this machine at its place, and a session bus. */
export function insideOf(work: string, words: readonly string[]): readonly string[] {
  const start = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"];
  return [...start, "sh", "-c", script, "inside", debian13, work, ...words];
}
