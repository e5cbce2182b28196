// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { decodeUtf8 } from "../../base/text.ts";
import { parseRef, type Ref } from "../../metadata/ref.ts";

/** What an image says of its end; both absent where it is maintained. */
export interface EndOfLife {
  readonly reason: string | undefined;
  /** The ref that takes its place. */
  readonly successor: Ref | undefined;
}

const prefix = "org.flatpak.commit-metadata.ostree.endoflife";

/** The text in a label that holds a serialized GVariant of type `v` with a string in it: text, NUL, NUL, `s`. */
function textOf(label: string | undefined): string | undefined {
  if (label === undefined) return undefined;
  const bytes = Buffer.from(label, "base64");
  const end = bytes.length - 3;
  if (end < 0 || bytes[end] !== 0 || bytes[end + 1] !== 0 || bytes[end + 2] !== 0x73) return undefined;
  return decodeUtf8(bytes.subarray(0, end));
}

/** Reads `ostree.endoflife` and `ostree.endoflife-rebase`; what is malformed counts as absent. */
export function endOfLife(labels: ReadonlyMap<string, string>): EndOfLife {
  const successor = textOf(labels.get(`${prefix}-rebase`));
  return { reason: textOf(labels.get(prefix)), successor: successor === undefined ? undefined : readRef(successor) };
}

function readRef(text: string): Ref | undefined {
  try {
    return parseRef(text);
  } catch (error) {
    if (isDowelError(error)) return undefined;
    throw error;
  }
}
