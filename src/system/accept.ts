// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { parseLocation } from "../remotes/location.ts";
import type { RemoteSettings } from "../remotes/settings.ts";
import type { SystemChange } from "./change.ts";

function refuse(what: string): never {
  throw new DowelError("NOT_PERMITTED", `${what}: the system service opens no files for other users`, {
    hint: "Run it as root, or use --user.",
  });
}

function checkAddress(url: string): void {
  const { kind } = parseLocation(url);
  if (kind !== "registry" && kind !== "image") refuse(url);
}

function checkSettings({ url, filter, signatureLookaside }: RemoteSettings): void {
  if (url !== undefined && url !== "") checkAddress(url);
  if (filter !== undefined && filter !== "") refuse(`--filter=${filter}`);
  if (signatureLookaside !== undefined && !/^(?:https?:\/\/.*)?$/.test(signatureLookaside)) refuse(signatureLookaside);
}

/**
 * Throws `NOT_PERMITTED` for a change that would have the service read a place that its caller could replace while it is
 * read, or that only root sees: a folder or archive as a remote, a filter file, a folder of media.
 */
export function checkAcceptable(change: SystemChange): void {
  switch (change.kind) {
    case "transaction": {
      const { direct, newRemotes } = change;
      if (direct !== undefined) checkAddress(direct.location);
      const made = [...newRemotes, ...(direct === undefined ? [] : [direct.origin])];
      for (const { url, settings } of made) checkSettings({ ...settings, url });
      return;
    }
    case "remote-add":
    case "remote-modify":
      checkSettings(change.settings);
      return;
    case "config":
      if (change.key === "sideload-repos" && change.value !== undefined) refuse("config sideload-repos");
      return;
    default:
      return;
  }
}
