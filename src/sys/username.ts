// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

/**
 * The name of a user by `/etc/passwd` (passwd(5)); of one who is kept elsewhere the number. Bun's `userInfo()` goes by
 * `USER`, which anybody sets as they like and which services do not have.
 */
export function userName(uid: number = process.getuid?.() ?? 0, passwdFile = "/etc/passwd"): string {
  return nameIn(passwdFile, uid) ?? String(uid);
}

function nameIn(passwdFile: string, uid: number): string | undefined {
  try {
    const entries = readFileSync(passwdFile, "utf8")
      .split("\n")
      .map((line) => line.split(":"));
    return entries.find((fields) => fields[2] === String(uid))?.[0] || undefined;
  } catch {
    return undefined;
  }
}
