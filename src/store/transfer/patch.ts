// SPDX-License-Identifier: Apache-2.0
import { checkCancelled, isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { parseFileDelta } from "../../formats/zstd-chunked/file-delta.ts";
import { Patches } from "../../formats/zstd-chunked/patches.ts";
import type { FetchPlan } from "../../formats/zstd-chunked/plan.ts";
import { isExecutable } from "../image/unpack.ts";
import type { LayerContents } from "./contents.ts";
import { commitBytes, type LayerContext } from "./context.ts";
import { sizeOf } from "./tocdelta.ts";

/**
 * Makes contents that a plan wants of earlier ones, by the deltas that lead to a layer, where these came already or are smaller
 * than what they save. Answers whether there were such; each content that is made has its digest, and is yet to be staged. A
 * delta only saves bytes, so one that is wrong is passed over.
 */
export async function patchFiles(
  context: LayerContext,
  tocDigest: string,
  plan: FetchPlan,
  contents: LayerContents,
): Promise<boolean> {
  const { staging, index, deltas, signal } = context;
  const found = deltas.forFiles(tocDigest);
  const size = sizeOf(found);
  if (size === 0 || plan.wanted.length === 0) return false;
  if (!deltas.areFetched(found) && (size > limits.fileDeltaBytes || size >= plan.bytes)) return false;
  const patches = new Patches((digest) => heldIn(contents, digest), found.length);
  try {
    for (const bytes of await deltas.fetchAll(found)) patches.add(parseFileDelta(bytes));
    const wanted = new Map(plan.wanted.map(({ entry }) => [entry.digest ?? "", entry]));
    const intake = staging.intake(plan.wanted.reduce((sum, { entry }) => sum + entry.size, 0));
    for (const { digest, bytes } of patches.make(wanted)) {
      checkCancelled(signal);
      const entry = wanted.get(digest);
      if (entry === undefined) continue;
      contents.expect(entry, await intake.take(bytes, isExecutable(entry)));
      if (staging.stagedBytes <= commitBytes) continue;
      await contents.settle();
      await staging.commit();
      index?.save();
    }
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED" || error.code === "NO_SPACE") throw error;
  }
  return true;
}

/** A content that is here, where patches may begin with it. */
function heldIn(contents: LayerContents, digest: string): Uint8Array | undefined {
  if (contents.isComing(digest) || !contents.file(digest)) return undefined;
  const size = contents.get(digest)?.size ?? 0;
  return size > limits.patchedFileBytes ? undefined : contents.whole(digest);
}
