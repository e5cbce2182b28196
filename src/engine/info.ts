// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import { Keyfile } from "../formats/keyfile/keyfile.ts";
import { parseMetadata } from "../metadata/metadata.ts";
import { writePermissions } from "../metadata/permissions/codec.ts";
import { formatRef, type Ref } from "../metadata/ref.ts";
import { decodeFlatpakLabels } from "../oci/labels.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";
import { describeDeployment } from "./describe.ts";
import { type FindOptions, findInstalled } from "./find.ts";
import { shownName } from "./places.ts";
import { needsOf } from "./resolve/needs.ts";

/** All that is known about something installed. Texts are the app's own; empty where it says nothing. */
export interface InstalledInfo {
  readonly name: string;
  readonly summary: string;
  readonly id: string;
  readonly ref: string;
  readonly kind: Ref["kind"];
  readonly arch: string;
  readonly branch: string;
  readonly version: string;
  readonly license: string;
  readonly origin: string;
  /** Where the image lies at its origin. */
  readonly source: string;
  readonly installation: string;
  /** Bytes. */
  readonly installedSize: number;
  readonly downloadSize: number;
  /** `ID/ARCH/BRANCH`, or empty. */
  readonly runtime: string;
  readonly sdk: string;
  readonly extensionOf: string;
  readonly commit: string;
  readonly parent: string;
  readonly subject: string;
  /** When the image was built, seconds since 1970; undefined where the image does not say. */
  readonly timestamp: number | undefined;
  /** When it was installed, seconds since 1970. */
  readonly deployedAt: number;
  /** Folder of the deployment. */
  readonly location: string;
  readonly shownAs: Deployment["shownAs"];
  /** The folders that are deployed; all where empty. */
  readonly subpaths: readonly string[];
  /** Text of the metadata keyfile. */
  readonly metadata: string;
  /** The permissions in the metadata, in keyfile form. */
  readonly permissions: string;
}

function nameOf(ref: Ref | undefined): string {
  return ref === undefined ? "" : `${ref.id}/${ref.arch}/${ref.branch}`;
}

function labelsOf(deployment: Deployment): Partial<Pick<InstalledInfo, "parent" | "subject" | "timestamp">> {
  try {
    const labels = decodeFlatpakLabels(deployment.labels, formatRef(deployment.ref));
    const { parentCommit: parent, subject, timestamp } = labels ?? {};
    return {
      ...(parent === undefined ? {} : { parent }),
      ...(subject === undefined ? {} : { subject }),
      ...(timestamp === undefined ? {} : { timestamp }),
    };
  } catch (error) {
    if (isDowelError(error)) return {};
    throw error;
  }
}

/** Empty where the metadata cannot be read; such an app does not run either. */
function permissionsOf(deployment: Deployment): string {
  const keyfile = new Keyfile();
  try {
    writePermissions(keyfile, parseMetadata(deployment.metadata).permissions);
  } catch (error) {
    if (!isDowelError(error)) throw error;
  }
  return keyfile.toString();
}

function describeInstalled(installation: Installation, deployment: Deployment): InstalledInfo {
  const { ref, commit, origin, source, installedSize, downloadSize, deployedAt, shownAs, metadata, path } = deployment;
  const { name = "", summary = "", version = "", license = "" } = describeDeployment(deployment);
  const { parent = "", subject = "", timestamp } = labelsOf(deployment);
  const { runtime, sdk, extensionOf } = needsOf(deployment);
  return {
    name: name === "" ? ref.id.slice(ref.id.lastIndexOf(".") + 1) : name,
    summary,
    id: ref.id,
    ref: formatRef(ref),
    kind: ref.kind,
    arch: ref.arch,
    branch: ref.branch,
    version,
    license,
    origin,
    source,
    installation: shownName(installation),
    installedSize,
    downloadSize,
    runtime: nameOf(runtime),
    sdk: nameOf(sdk),
    extensionOf: extensionOf === undefined ? "" : formatRef(extensionOf),
    commit,
    parent,
    subject,
    timestamp,
    deployedAt,
    location: path,
    shownAs,
    subpaths: deployment.subpaths ?? [],
    metadata,
    permissions: permissionsOf(deployment),
  };
}

/** Describes what a full or partial ref means. Throws `NOT_INSTALLED` or `REF_AMBIGUOUS`. */
export function info(installations: readonly Installation[], name: string, options: FindOptions = {}): InstalledInfo {
  const { installation, deployment } = findInstalled(installations, name, options);
  return describeInstalled(installation, deployment);
}
