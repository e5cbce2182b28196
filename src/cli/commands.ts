// SPDX-License-Identifier: Apache-2.0
import type { CommandEntry } from "./context.ts";

/** Every command by the words typed. A command's own file is read only when it is used. */
export const commands: Readonly<Record<string, CommandEntry>> = {
  install: { brief: "Install apps or runtimes", load: () => import("./install.ts") },
  update: { brief: "Update what is installed", load: () => import("./update.ts") },
  uninstall: { brief: "Remove installed apps or runtimes", load: () => import("./uninstall.ts") },
  list: { brief: "List what is installed", load: () => import("./list.ts") },
  info: { brief: "Show what is known about an installed app or runtime", load: () => import("./info.ts") },
  run: { brief: "Run an app in its sandbox", load: () => import("./run.ts") },
  ps: { brief: "List what runs", load: () => import("./ps.ts") },
  enter: { brief: "Run a command in the sandbox of a running app", load: () => import("./enter.ts") },
  kill: { brief: "End running apps", load: () => import("./kill.ts") },
  override: { brief: "Change what an app may do, for all its starts", load: () => import("./override.ts") },
  permissions: { brief: "Show what apps may do through portals", load: () => import("./permissions.ts") },
  "permission-show": {
    brief: "Show what one app may do through portals",
    load: () => import("./permission-show.ts"),
  },
  "permission-set": {
    brief: "Set what an app may do through a portal",
    load: () => import("./permission-set.ts"),
  },
  "permission-remove": {
    brief: "Remove an entry of the permission store",
    load: () => import("./permission-remove.ts"),
  },
  "permission-reset": {
    brief: "Remove all that an app may do through portals",
    load: () => import("./permission-reset.ts"),
  },
  documents: { brief: "Show the files that were exported to apps", load: () => import("./documents.ts") },
  "document-export": { brief: "Export a file to apps", load: () => import("./document-export.ts") },
  "document-unexport": { brief: "Take an exported file away again", load: () => import("./document-unexport.ts") },
  "document-info": { brief: "Show what is known of an exported file", load: () => import("./document-info.ts") },
  "profile list": { brief: "List the sets of data that apps have", load: () => import("./profile/list.ts") },
  "profile copy": { brief: "Copy a profile of an app to a new one", load: () => import("./profile/copy.ts") },
  "profile remove": { brief: "Remove a profile of an app", load: () => import("./profile/remove.ts") },
  "profile export": { brief: "Write a profile of an app as one archive", load: () => import("./profile/export.ts") },
  "profile import": { brief: "Make a profile of an app from an archive", load: () => import("./profile/import.ts") },
  "library add": {
    brief: "Show an app a folder from now on, also where it runs",
    load: () => import("./library/add.ts"),
  },
  "library list": { brief: "Show the folders that were picked for an app", load: () => import("./library/list.ts") },
  "library remove": { brief: "Take a folder away from an app, at once", load: () => import("./library/remove.ts") },
  "timers list": { brief: "Show the wake-ups that apps have set", load: () => import("./timers/list.ts") },
  "timers remove": {
    brief: "Take a wake-up away from an app, or all of them",
    load: () => import("./timers/remove.ts"),
  },
  data: { brief: "Show what apps keep on disk", load: () => import("./data.ts") },
  "data backup": { brief: "Back up what an app keeps", load: () => import("./data/backup.ts") },
  "data restore": { brief: "Put back what was backed up of an app", load: () => import("./data/restore.ts") },
  rollback: { brief: "Go back to an earlier version", load: () => import("./rollback.ts") },
  history: { brief: "Show what was changed when", load: () => import("./history.ts") },
  "make-current": {
    brief: "Choose which branch of an app is the current one",
    load: () => import("./make-current.ts"),
  },
  pin: { brief: "Keep runtimes that nothing uses", load: () => import("./pin.ts") },
  mask: { brief: "Leave refs out of updates and automatic installs", load: () => import("./mask.ts") },
  config: { brief: "Show or change how an installation behaves", load: () => import("./config.ts") },
  preinstall: { brief: "Install what the maker of the system chose", load: () => import("./preinstall.ts") },
  "create-usb": {
    brief: "Copy installed apps to a medium, to install them elsewhere without a network",
    load: () => import("./create-usb.ts"),
  },
  apply: { brief: "Bring an installation to what a file says", load: () => import("./apply.ts") },
  "export-state": { brief: "Write what an installation has, for apply", load: () => import("./export-state.ts") },
  repair: { brief: "Find and mend damage to installations", load: () => import("./repair.ts") },
  verify: { brief: "Hold what is installed against what was published", load: () => import("./verify.ts") },
  build: { brief: "Build an app or a runtime from its manifest", load: () => import("./build.ts") },
  push: { brief: "Push an image to a registry", load: () => import("./push.ts") },
  remotes: { brief: "List the remotes", load: () => import("./remotes.ts") },
  "remote-add": { brief: "Add a remote", load: () => import("./remote-add.ts") },
  "remote-modify": { brief: "Change the settings of a remote", load: () => import("./remote-modify.ts") },
  "remote-delete": { brief: "Delete a remote", load: () => import("./remote-delete.ts") },
  "remote-ls": { brief: "List what a remote offers", load: () => import("./remote-ls.ts") },
  "remote-info": { brief: "Show what a remote says of an app or runtime", load: () => import("./remote-info.ts") },
  login: { brief: "Log in to a registry", load: () => import("./login.ts") },
  logout: { brief: "Forget the credentials for a registry", load: () => import("./logout.ts") },
  search: { brief: "Search for apps and runtimes in the remotes", load: () => import("./search.ts") },
  why: {
    brief: "Explain what an app may do with a service, and how to change that",
    load: () => import("./why.ts"),
  },
  "session serve": { brief: "Serve the buses of all running apps", load: () => import("./session/serve.ts") },
  "session status": { brief: "Show what the session service does", load: () => import("./session/status.ts") },
  "registry serve": { brief: "Serve a folder as an OCI registry", load: () => import("./registry/serve.ts") },
  "system serve": {
    brief: "Change the system's installations for users who may",
    load: () => import("./system/serve.ts"),
  },
  complete: {
    brief: "Print what may stand at the cursor of a command line, for shells",
    hidden: true,
    load: () => import("./complete.ts"),
  },
  "plumbing manual": {
    brief: "Write a manual page of every command",
    hidden: true,
    load: () => import("./plumbing/manual.ts"),
  },
  "plumbing spec": {
    brief: "Print the sandbox that an app would get, as JSON",
    hidden: true,
    load: () => import("./plumbing/spec.ts"),
  },
  "plumbing mount": {
    brief: "Mount the images of the installed apps and runtimes",
    hidden: true,
    load: () => import("./plumbing/mount.ts"),
  },
  "plumbing bus-policy": {
    brief: "Print what an app would be allowed on the buses, as JSON",
    hidden: true,
    load: () => import("./plumbing/bus-policy.ts"),
  },
  "plumbing bus-policies": {
    brief: "Print what apps would be allowed on the buses, as JSON, for starts on standard input",
    hidden: true,
    load: () => import("./plumbing/bus-policies.ts"),
  },
  "plumbing bus-proxy": {
    brief: "Serve a filtered D-Bus socket, as xdg-dbus-proxy does",
    hidden: true,
    load: () => import("./plumbing/bus-proxy.ts"),
  },
  "plumbing mkcomposefs": {
    brief: "Make a composefs image of a folder or a dump",
    hidden: true,
    load: () => import("./plumbing/mkcomposefs.ts"),
  },
  "plumbing composefs-dump": {
    brief: "Show a composefs image as a dump",
    hidden: true,
    load: () => import("./plumbing/composefs-dump.ts"),
  },
  "plumbing fsverity-digest": {
    brief: "Work out the fs-verity digests of files",
    hidden: true,
    load: () => import("./plumbing/fsverity-digest.ts"),
  },
};

/** Other names for commands, as Flatpak has them. */
export const aliases: Readonly<Record<string, string>> = {
  upgrade: "update",
  remove: "uninstall",
  "remote-list": "remotes",
  "permission-list": "permissions",
  "document-list": "documents",
};

/** First words of commands that have two. */
const groups: ReadonlySet<string> = new Set(
  Object.keys(commands).flatMap((name) => (name.includes(" ") ? [name.split(" ")[0] ?? ""] : [])),
);

/** Whether a first word takes the next one with it; not where it is a command itself and the two together are none. */
export function takesNextWord(word: string, next: string): boolean {
  return groups.has(word) && (!(word in commands) || `${word} ${next}` in commands);
}
