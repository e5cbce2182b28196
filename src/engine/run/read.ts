// SPDX-License-Identifier: Apache-2.0

import { compareBytes } from "../../base/text.ts";
import { parseMetadata } from "../../metadata/metadata.ts";
import { formatOverrides } from "../../metadata/overrides.ts";
import { withoutDenials } from "../../metadata/permissions/flatten.ts";
import { mergePermissions } from "../../metadata/permissions/merge.ts";
import { noPermissions, type Permissions } from "../../metadata/permissions/model.ts";
import { RecordingHost } from "../../sandbox/probe/recording.ts";
import { runFolderPath } from "../../sandbox/run-folder.ts";
import { type PathAccess, pathAccess } from "../../sandbox/spec/access.ts";
import type { Specification } from "../../sandbox/spec/types.ts";
import { landlockVersion } from "../../sys/process.ts";
import { describeRun, locateMain, overridesFor, type RunRequest } from "./describe.ts";

/** A request for the app as it is installed, with no options. */
export function plainRequest(
  request: Pick<RunRequest, "name" | "installations"> & Partial<Pick<RunRequest, "profile">>,
): RunRequest {
  return {
    profile: undefined,
    ...request,
    branch: undefined,
    arch: undefined,
    runtime: undefined,
    runtimeVersion: undefined,
    permissions: noPermissions,
    command: undefined,
    cwd: undefined,
    devel: false,
    clearEnvironment: false,
    dieWithParent: false,
    sandboxed: false,
    documents: true,
    buses: { session: undefined, a11y: undefined, log: [] },
    parent: undefined,
    instanceIdFd: undefined,
  };
}

function reading(signal: AbortSignal | undefined) {
  const host = new RecordingHost();
  return { host, runFolder: runFolderPath(host.identity.uid), makes: false, signal };
}

/** The sandbox that a request would get; nothing is made or changed. Throws as `prepareRun` does. */
export async function describeForReading(
  request: RunRequest,
  signal?: AbortSignal,
): Promise<{ readonly specification: Specification; readonly host: RecordingHost }> {
  const context = reading(signal);
  return { specification: await describeRun(context, request), host: context.host };
}

/** What an app's sandbox does with a path of the host: `hidden`, `read-only` or `read-write`. */
export async function fileAccess(request: RunRequest, path: string, signal?: AbortSignal): Promise<PathAccess> {
  const { specification, host } = await describeForReading(request, signal);
  return pathAccess(specification, host, path);
}

function effectivePermissions(request: RunRequest): Permissions {
  const host = new RecordingHost();
  const main = locateMain(host, request);
  const own = parseMetadata(main.deployment.metadata).permissions;
  return mergePermissions(own, overridesFor(host, main, request.profile));
}

/** The permissions of an installed app with all overrides, in keyfile form, as `flatpak info --show-permissions` prints them. */
export function effectivePermissionsText(request: RunRequest): string {
  return formatOverrides(withoutDenials(effectivePermissions(request)));
}

/** The id of an installed app, and whether its permissions give it sound, or all devices. */
export function devicesOf(request: RunRequest): {
  readonly app: string;
  readonly hasSound: boolean;
  readonly hasAllDevices: boolean;
} {
  const { sockets, devices } = withoutDenials(effectivePermissions(request));
  const app = locateMain(new RecordingHost(), request).deployment.ref.id;
  return { app, hasSound: sockets.has("pulseaudio"), hasAllDevices: devices.has("all") };
}

/** What the kernel's Landlock adds to a sandbox, by its version (landlock(7)). */
function describeLandlock(version: number): string {
  if (version < 2) return "none in this kernel (Linux 5.19 has it)";
  const parts = [
    "files",
    ...(version < 3 ? [] : ["truncation"]),
    ...(version < 5 ? [] : ["devices"]),
    ...(version < 6 ? [] : ["signals", "abstract sockets"]),
  ];
  return `${parts.join(", ")} (version ${version})`;
}

/** What bounds an installed app besides its permissions: limits as `NAME=VALUE`, and what Landlock does on this machine. */
export function boundsOf(request: RunRequest): { readonly limits: readonly string[]; readonly landlock: string } {
  const limits = [...effectivePermissions(request).limits].filter(([, value]) => value !== "none");
  return {
    limits: limits.map(([name, value]) => `${name}=${value}`).sort(compareBytes),
    landlock: describeLandlock(landlockVersion()),
  };
}
