// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { formatRef, parseRuntimeName, type Ref } from "../../metadata/ref.ts";
import { activeDeployment, tryRead } from "../../store/deployments.ts";
import type { StoredImage } from "../../store/image/stored.ts";
import { openInstallation } from "../../store/installation.ts";
import { ensureShown, lowerOf } from "../../store/shown.ts";
import type { ChangeContext } from "../fetch.ts";
import { placesToRead } from "../places.ts";

/** The runtime that an app runs in, or that an extension is for. */
function runtimeOf({ metadata, ref }: StoredImage): Ref | undefined {
  const keyfile = parseKeyfile(metadata, "metadata");
  const own = keyfile.get(ref.kind === "app" ? "Application" : "Runtime", "runtime");
  const text = own ?? keyfile.get("ExtensionOf", "runtime");
  return text === undefined || text === "" ? undefined : parseRuntimeName(text);
}

/**
 * The folder that holds `usr/` of the runtime that the program of an image needs, shown, from the same installation or,
 * where that lacks it, from another. Throws `RUNTIME_NOT_FOUND`.
 */
export async function runtimeLowerOf(image: StoredImage, context: ChangeContext): Promise<string> {
  const { installation, signal } = context;
  const runtime = runtimeOf(image);
  const name = formatRef(image.ref);
  if (runtime === undefined) {
    throw new DowelError("RUNTIME_NOT_FOUND", `${name} has extra data to prepare, and its metadata name no runtime`);
  }
  const others = placesToRead({}).filter(({ path }) => path !== installation.path);
  for (const place of [installation, ...others]) {
    const opened = place === installation ? installation : openInstallation(place);
    const deployment = tryRead(() => activeDeployment(opened, runtime));
    if (deployment === undefined) continue;
    await ensureShown(deployment, signal);
    return lowerOf(deployment);
  }
  throw new DowelError("RUNTIME_NOT_FOUND", `${name} has extra data to prepare, and ${formatRef(runtime)} is missing`, {
    hint: `Run first: dowel install ${runtime.id}//${runtime.branch}`,
  });
}
