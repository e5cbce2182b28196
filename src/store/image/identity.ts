// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../../base/errors.ts";
import { decodeUtf8 } from "../../base/text.ts";
import type { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { readPermissions } from "../../metadata/permissions/codec.ts";
import { formatRef, parseRef, type Ref } from "../../metadata/ref.ts";
import { checkRequiredVersions } from "../../metadata/required.ts";

const refLabel = "org.flatpak.ref";
const metadataLabel = "org.flatpak.metadata";

/** The ref that an image is for. Throws `IMAGE_UNSUITABLE` without the label, `REF_INVALID` for a malformed one. */
export function refOfLabels(labels: ReadonlyMap<string, string>, image: string): Ref {
  const text = labels.get(refLabel);
  if (text !== undefined) return parseRef(text);
  throw new DowelError("IMAGE_UNSUITABLE", `${image}: no label ${refLabel}, so it is not an app or runtime`, {
    hint: "Images for Dowel carry labels like org.flatpak.ref=app/org.example.App/x86_64/stable.",
  });
}

/**
 * The metadata text of an image, from its label and its file. Where both are there they must be equal byte for byte:
 * what people agree to before a download is the label, what the sandbox obeys is the file (CVE-2021-43860).
 * The text must hold no control characters and name the app or runtime that the ref names.
 * Throws `IMAGE_UNSUITABLE`, `METADATA_INVALID`, `PERMISSION_INVALID`, or `VERSION_REQUIRED` where it needs a newer Dowel.
 */
export function metadataOf(
  labels: ReadonlyMap<string, string>,
  file: Uint8Array | undefined,
  ref: Ref,
  image: string,
): string {
  const label = labels.get(metadataLabel);
  if (label === undefined && file === undefined) {
    throw new DowelError("IMAGE_UNSUITABLE", `${image}: neither a file "metadata" nor a label ${metadataLabel}`);
  }
  const text = file === undefined ? label : decodeUtf8(file);
  if (text === undefined) throw new DowelError("METADATA_INVALID", `${image}: its metadata is not UTF-8 text`);
  if (label !== undefined && label !== text) {
    throw new DowelError("METADATA_INVALID", `${image}: its file "metadata" differs from the label ${metadataLabel}`, {
      hint: "The image may try to hide permissions. Do not install it.",
    });
  }
  const control = /[\0-\x08\x0b-\x1f\x7f]/.exec(text);
  if (control !== null) {
    throw new DowelError("METADATA_INVALID", `${image}: its metadata has a control character at ${control.index}`);
  }
  const keyfile = parseKeyfile(text, `${image}: metadata`);
  const group = ref.kind === "app" ? "Application" : "Runtime";
  checkName(keyfile, group, ref, image);
  checkPermissions(keyfile, image);
  checkRequiredVersions(keyfile.getList(group, "required-flatpak") ?? [], formatRef(ref));
  return text;
}

/** What no start could use is not installed. */
function checkPermissions(keyfile: Keyfile, image: string): void {
  try {
    readPermissions(keyfile);
  } catch (error) {
    if (!isDowelError(error, "PERMISSION_INVALID")) throw error;
    throw new DowelError(error.code, `${image}: its metadata: ${error.message}`, {
      hint: "The image is faulty; tell those who made it.",
      cause: error,
    });
  }
}

function checkName(keyfile: Keyfile, group: string, ref: Ref, image: string): void {
  const name = keyfile.get(group, "name");
  if (name === ref.id) return;
  const found = name === undefined ? "is missing" : `is ${JSON.stringify(name)}`;
  throw new DowelError(
    "METADATA_INVALID",
    `${image}: name= of [${group}] in its metadata ${found}, expected ${ref.id} as in ${formatRef(ref)}`,
  );
}
