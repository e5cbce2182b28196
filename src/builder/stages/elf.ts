// SPDX-License-Identifier: Apache-2.0
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { join } from "node:path";

/** What an ELF file is, by its header (elf(5)); undefined for other files. */
export function elfKind(path: string): "linked" | "object" | undefined {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(18);
    const isElf = readSync(fd, head, 0, 18, 0) === 18 && head.subarray(0, 4).equals(Buffer.from("\x7fELF", "latin1"));
    if (!isElf) return undefined;
    const type = head[5] === 2 ? head.readUInt16BE(16) : head.readUInt16LE(16);
    return type === 2 || type === 3 ? "linked" : "object";
  } finally {
    closeSync(fd);
  }
}

/** Whether the Sdk has what splitting debugging data needs. */
export function canSplitDebug(sdkLower: string): boolean {
  return ["objcopy", "strip", "readelf"].every((name) => existsSync(join(sdkLower, "usr/bin", name)));
}

/**
 * A script that takes the debugging data out of each of its arguments, paths below the prefix `$1`, into
 * `lib/debug/PATH.debug`, and copies the sources that they name into `lib/debug/source/MODULE` where the Sdk has
 * debugedit(1). `$2` is the module's build folder.
 */
export const splitScript = `set -eu
prefix=$1 build=$2
shift 2
sources=$prefix/lib/debug/source/\${build##*/}
list=$(mktemp)
for path; do
  file=$prefix/$path
  readelf -WS "$file" | grep -qE ' \\.(symtab|z?debug_info) ' || continue
  debug=$prefix/lib/debug/$path.debug
  mkdir -p "\${debug%/*}"
  if command -v debugedit >/dev/null; then debugedit -b "$build" -d "$build" -l "$list" "$file" >/dev/null || true; fi
  mode=$(stat -c %a "$file")
  chmod u+w "$file"
  objcopy --only-keep-debug --compress-debug-sections "$file" "$debug"
  chmod 644 "$debug"
  strip --remove-section=.comment --strip-unneeded "$file"
  objcopy --add-gnu-debuglink="$debug" "$file"
  chmod "$mode" "$file"
done
tr '\\0' '\\n' < "$list" | sort -u | while IFS= read -r name; do
  case $name in /*|*..*) continue;; esac
  [ -f "$build/$name" ] && [ ! -h "$build/$name" ] || continue
  mkdir -p "$sources/$(dirname "$name")"
  cp "$build/$name" "$sources/$name"
done
rm -f "$list"
`;
