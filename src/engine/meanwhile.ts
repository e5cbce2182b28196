// SPDX-License-Identifier: Apache-2.0
import { setImmediate as nextTurn } from "node:timers/promises";

/** What it takes to bring images, in steps of few milliseconds. */
const steps: readonly (() => Promise<unknown>)[] = [
  () => import("../oci/image.ts"),
  () => import("../remotes/place.ts"),
  () => import("../remotes/trust/verify.ts"),
  () => import("../store/image/stored.ts"),
  () => import("../store/transfer/import.ts"),
  () => import("../store/deploy/deploy.ts"),
];

/**
 * Loads what most answers of remotes lead to while these are asked, for as long as they are: where the answer is that there
 * is nothing new, it hardly waits for that.
 */
export async function loadMeanwhile(asked: Promise<unknown>): Promise<void> {
  let isOver = false;
  const end = (): void => {
    isOver = true;
  };
  asked.then(end, end);
  for (const load of steps) {
    await nextTurn();
    if (isOver) return;
    await load();
  }
}
