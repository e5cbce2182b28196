// SPDX-License-Identifier: Apache-2.0

/** Waits until something is there; fails after a minute, which no machine needs that is not stuck. */
export async function until<T>(what: string, find: () => T | undefined | false): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const found = find();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`It did not happen within 60 seconds: ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}
