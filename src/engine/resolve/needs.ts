// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { parseRef, parseRuntimeName, type Ref } from "../../metadata/ref.ts";

/** The refs that an app or runtime needs or extends. */
export interface Needs {
  readonly runtime: Ref | undefined;
  readonly sdk: Ref | undefined;
  readonly extensionOf: Ref | undefined;
}

const none: Needs = { runtime: undefined, sdk: undefined, extensionOf: undefined };

/** The refs that an app or runtime needs, by its metadata. Metadata that cannot be read name none. */
export function needsOf({ ref, metadata }: { readonly ref: Ref; readonly metadata: string }): Needs {
  try {
    // Not parseMetadata(), which reads permissions too: a list needs this of every deployment.
    const keyfile = parseKeyfile(metadata, "metadata");
    const needed = (key: string): Ref | undefined => {
      const text = ref.kind === "app" ? keyfile.get("Application", key) : undefined;
      return text === undefined || text === "" ? undefined : parseRuntimeName(text);
    };
    const extended = keyfile.get("ExtensionOf", "ref");
    const extensionOf = extended === undefined ? undefined : parseRef(extended);
    return { runtime: needed("runtime"), sdk: needed("sdk"), extensionOf };
  } catch (error) {
    if (isDowelError(error)) return none;
    throw error;
  }
}
