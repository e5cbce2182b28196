// SPDX-License-Identifier: Apache-2.0

/**
 * An archive of an app's data, in this order: a file that says what it is, the user's overrides for the profile where
 * there are any, and the tree of the data.
 */
export const archiveLayout = {
  format: "dowel-data",
  version: 1,
  /** `{"format":"dowel-data","version":1,"id":ID,"profile":NAME}`. */
  head: "dowel-data.json",
  overrides: "overrides",
  data: "data",
} as const;
