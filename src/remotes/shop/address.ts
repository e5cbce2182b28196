// SPDX-License-Identifier: Apache-2.0

/** Whether an address is that of a catalogue. */
export function isCatalogueAddress(url: string): boolean {
  return /\/v2\/(?:.+\/)?catalogue\/manifests\/latest$/.test(url);
}
