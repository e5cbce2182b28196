// SPDX-License-Identifier: Apache-2.0
import { listRemotes } from "../remotes/config.ts";
import type { Remote } from "../remotes/types.ts";
import type { Result } from "../render/result.ts";
import type { Column, Row } from "../render/table.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, jsonFlag, switchFlag, textFlag } from "./flags.ts";
import { installationsToRead } from "./transaction.ts";

interface Flags extends InstallationFlags {
  readonly showDetails?: boolean;
  readonly showDisabled?: boolean;
  readonly columns?: string;
  readonly json?: boolean;
}

const columns: readonly Column[] = [
  { name: "name", title: "Name", shownByDefault: true, description: "Name of the remote" },
  { name: "title", title: "Title", shownByDefault: false, description: "Title" },
  { name: "url", title: "URL", shownByDefault: false, description: "Location" },
  { name: "collection", title: "Collection ID", shownByDefault: false, description: "Collection ID" },
  { name: "subset", title: "Subset", shownByDefault: false, description: "Subset that is offered" },
  { name: "filter", title: "Filter", shownByDefault: false, description: "Filter file" },
  { name: "priority", title: "Priority", shownByDefault: false, description: "Higher is asked first" },
  { name: "options", title: "Options", shownByDefault: true, description: "Installation and switches" },
  { name: "comment", title: "Comment", shownByDefault: false, description: "Comment" },
  { name: "description", title: "Description", shownByDefault: false, description: "Description" },
  { name: "homepage", title: "Homepage", shownByDefault: false, description: "Homepage" },
  { name: "icon", title: "Icon", shownByDefault: false, description: "Address of an icon" },
];

/** The words of the options column: where the remote is configured, and its switches. */
function optionsOf(remote: Remote, installation: string): string {
  const switches = {
    [installation === "default" ? "system" : installation]: true,
    disabled: remote.disabled,
    oci: true,
    "no-enumerate": remote.noEnumerate,
    "no-deps": remote.noDeps,
    "no-gpg-verify": !remote.gpgVerify,
    filtered: remote.filter !== undefined,
  };
  return Object.entries(switches)
    .flatMap(([name, on]) => (on ? [name] : []))
    .join(",");
}

function toRow(remote: Remote, installation: string): Row {
  const { name, title, url, subset, filter, priority, comment, description, homepage, icon } = remote;
  const texts = { name, title, url, subset, filter, priority, comment, description, homepage, icon };
  return { ...texts, collection: remote.collectionId, options: optionsOf(remote, installation) };
}

function rowsOf(flags: Flags): Row[] {
  return installationsToRead(flags).flatMap((installation) =>
    listRemotes(installation)
      .filter(({ disabled }) => !disabled || flags.showDisabled === true)
      .map((remote) => toRow(remote, installation.name)),
  );
}

function run(_context: Context, flags: Flags): Result {
  const asked = flags.columns ?? (flags.showDetails === true ? "all" : undefined);
  return {
    kind: "table",
    columns,
    rows: rowsOf(flags),
    asked,
    json: flags.json === true,
    whenEmpty: "There are no remotes",
  };
}

export default defineCommand<Flags, []>({
  brief: "List the remotes",
  columns,
  examples: [
    ["remotes", "lists names and options"],
    ["remotes --columns=name,url", "lists names and locations"],
    ["remotes --json", "the same for programs"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...jsonFlag,
      showDetails: switchFlag("Show all columns"),
      showDisabled: switchFlag("Show disabled remotes, too"),
      columns: textFlag("Columns to show; 'help' lists them", "COLUMNS"),
    },
    aliases: { u: "user", d: "showDetails", j: "json" },
  },
  run,
});
