// SPDX-License-Identifier: Apache-2.0

const units = ["kB", "MB", "GB", "TB", "PB"] as const;

/** A size for a person, in powers of 1000 with a no-break space, as GLib writes it: `1.5 MB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes}\u00a0${bytes === 1 ? "byte" : "bytes"}`;
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(1)}\u00a0${units[unit]}`;
}
