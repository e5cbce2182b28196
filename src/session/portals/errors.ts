// SPDX-License-Identifier: Apache-2.0

const prefix = "org.freedesktop.portal.Error.";

/** Errors that portals answer with. */
export const portalErrors = {
  failed: `${prefix}Failed`,
  invalidArgument: `${prefix}InvalidArgument`,
  notFound: `${prefix}NotFound`,
  exists: `${prefix}Exists`,
  notAllowed: `${prefix}NotAllowed`,
  cancelled: `${prefix}Cancelled`,
} as const;
