// SPDX-License-Identifier: Apache-2.0
import { parseMetadata } from "../metadata/metadata.ts";
import { formatRef } from "../metadata/ref.ts";
import { RecordingHost } from "../sandbox/probe/recording.ts";
import { resolveExtensions } from "../sandbox/spec/extensions.ts";
import { activeGlDrivers } from "../sandbox/spec/extensions-conditions.ts";
import type { Installation } from "../store/installation.ts";
import { type FindOptions, findInstalled } from "./find.ts";
import { placesToRead } from "./places.ts";
import { ExtensionsOnHost } from "./run/extensions.ts";

/** An extension that an app or runtime gets when it runs. */
export interface ExtensionInfo {
  readonly ref: string;
  /** Name of the extension point that takes it. */
  readonly id: string;
  /** Where it shows in the sandbox. */
  readonly target: string;
  /** Undefined, as all that follows, for an unmaintained one. */
  readonly origin: string | undefined;
  readonly commit: string | undefined;
  /** Bytes. */
  readonly installedSize: number | undefined;
}

/**
 * The extensions that a start of something installed would show now, by priority. Throws `NOT_INSTALLED`, `REF_AMBIGUOUS`
 * and what reading metadata throws.
 */
export function listExtensions(
  installations: readonly Installation[],
  name: string,
  options: FindOptions = {},
): ExtensionInfo[] {
  const { ref, metadata } = findInstalled(installations, name, options).deployment;
  const host = new RecordingHost();
  const installed = new ExtensionsOnHost(host, placesToRead({}));
  return resolveExtensions(parseMetadata(metadata).extensions, ref, installed, host).map(({ image, point, target }) => {
    const deployment = installed.deploymentOf(image);
    const { origin, installedSize } = deployment ?? {};
    return { ref: formatRef(image.ref), id: point, target, origin, commit: image.commit, installedSize };
  });
}

/** The names of the GL drivers that this machine takes extensions for, best first. */
export function glDrivers(): readonly string[] {
  return activeGlDrivers(new RecordingHost());
}
