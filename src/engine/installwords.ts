// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { looksLikeLocation } from "../remotes/location.ts";

/** What `install` was told its first word is. */
export interface WordKind {
  readonly bundle?: boolean;
  readonly image?: boolean;
}

/** The words of `install` with a file that holds an image named as what it is. Throws `USAGE`. */
export function installWords(words: readonly string[], kind: WordKind): readonly string[] {
  const [first = "", ...rest] = words;
  const repoFile = words.find((word) => /^[^?#]+\.flatpakrepo(?:[?#].*)?$/.test(word));
  if (repoFile !== undefined) {
    throw new DowelError("USAGE", `${repoFile} describes a remote, and nothing that can be installed`, {
      hint: `Add the remote first: dowel remote-add --from NAME ${repoFile}`,
    });
  }
  if (kind.bundle === true && !looksLikeLocation(first)) return [`oci-archive:${first}`, ...rest];
  if (kind.image === true && !looksLikeLocation(first)) {
    throw new DowelError("USAGE", `${first} is no location of an image`, {
      hint: "Locations begin with oci:, oci-archive: or docker://.",
    });
  }
  return words;
}
