// SPDX-License-Identifier: Apache-2.0

import { type Answer, answerKey, type Dependent, type Facts, type Request } from "../../../src/engine/resolve/facts.ts";
import { needsOf } from "../../../src/engine/resolve/needs.ts";
import { resolve } from "../../../src/engine/resolve/resolve.ts";
import type { Candidate, Plan } from "../../../src/engine/types.ts";
import { anyPattern } from "../../../src/metadata/pattern.ts";
import { formatRef, parseRef } from "../../../src/metadata/ref.ts";
import type { Remote, RemoteRef } from "../../../src/remotes/types.ts";
import type { Deployment } from "../../../src/store/types.ts";

/** An image in a table: its ref, and what its metadata and labels say besides. */
export interface Row {
  readonly ref: string;
  readonly commit?: string;
  readonly runtime?: string;
  /** Further groups of the metadata. */
  readonly groups?: string;
  /** Text labels, and those of `commit-metadata` by their key. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly ends?: Readonly<Record<string, string>>;
  readonly previousIds?: readonly string[];
  readonly origin?: string;
  readonly installation?: string;
}

export const platform = "runtime/org.test.Platform/x86_64/1";
export const app = (name: string): string => `app/org.test.${name}/x86_64/stable`;

function metadataOf({ ref, runtime = platform, groups = "" }: Row): string {
  const { kind, id } = parseRef(ref);
  if (kind === "runtime") return `[Runtime]\nname=${id}\n${groups}`;
  const needed = runtime.replace("runtime/", "");
  return `[Application]\nname=${id}\nruntime=${needed}\n${groups}`;
}

/** A label with a serialized variant that holds a string. */
function variant(text: string): string {
  return Buffer.from(`${text}\0\0s`).toString("base64");
}

function labelsOf({ labels = {}, ends = {} }: Row): ReadonlyMap<string, string> {
  const encoded = Object.entries(ends).map(([key, text]): [string, string] => [
    `org.flatpak.commit-metadata.ostree.${key}`,
    variant(text),
  ]);
  return new Map([...Object.entries(labels), ...encoded]);
}

function image(remote: string, row: Row): RemoteRef {
  const ref = parseRef(row.ref);
  const metadata = metadataOf(row);
  return {
    ...{ remote, ref, metadata, labels: labelsOf(row), tags: [], commit: row.commit ?? "new" },
    place: { kind: "layout", path: `/${remote}` },
    runtime: ref.kind === "app" ? needsOf({ ref, metadata }).runtime : undefined,
    downloadSize: 0,
    installedSize: 0,
  };
}

function installed(row: Row): Dependent {
  const ref = parseRef(row.ref);
  const metadata = metadataOf(row);
  const deployment: Deployment = {
    ...{ ref, metadata, labels: labelsOf(row), commit: row.commit ?? "old", origin: row.origin ?? "main" },
    ...{ path: `/here/${row.ref}`, source: "", imageDigest: "", deployedAt: 0, installedSize: 0, downloadSize: 0 },
    shownAs: "checkout",
    previousIds: row.previousIds,
  };
  return { installation: row.installation ?? "here", deployment, ...needsOf(deployment) };
}

export interface Table {
  readonly installed?: readonly Row[];
  /** What remotes have, by their names, the one with the highest priority first; a text is why it does not answer. */
  readonly remotes?: Readonly<Record<string, readonly Row[] | Answer>>;
  readonly masked?: readonly string[];
  readonly pinned?: readonly string[];
  readonly holds?: readonly string[];
  readonly options?: Facts["options"];
}

/** Full refs, each with what is to be done with it. */
export type Wishes = Readonly<Record<string, "install" | "update" | "uninstall">>;

function remoteOf(name: string): Remote {
  const flags = { disabled: false, noEnumerate: false, noDeps: false, gpgVerify: false };
  return { name, url: `oci:/${name}`, priority: 1, ...flags };
}

/** Plans a table; answers the plan and the remotes that had to be asked. */
export function plan(table: Table, wishes: Wishes): { readonly plan: Plan; readonly asked: readonly string[] } {
  const remotes = Object.keys(table.remotes ?? {}).map(remoteOf);
  const here = (table.installed ?? []).map(installed);
  const answers = new Map<string, Answer>();
  const facts: Omit<Facts, "answers"> = {
    ...{
      languages: [],
      target: "here",
      installed: here,
      remotes,
      newRemotes: new Map(),
      direct: undefined,
      options: table.options ?? {},
    },
    masked: anyPattern(table.masked ?? []),
    pinned: anyPattern(table.pinned ?? []),
    holds: (reasons) => reasons.some((reason) => table.holds?.includes(reason) === true),
  };
  const offered = (name: string): Answer => {
    const rows = table.remotes?.[name] ?? [];
    if (!Array.isArray(rows)) return rows as Answer;
    return { remote: remoteOf(name), refs: (rows as readonly Row[]).map((row) => image(name, row)) };
  };
  const candidateFor = (ref: string): Candidate => {
    for (const { name } of remotes) {
      const offer = offered(name);
      const found = "refs" in offer ? offer.refs.find((one) => formatRef(one.ref) === ref) : undefined;
      if (found !== undefined) return { image: found, origin: name, newRemote: undefined };
    }
    throw new Error(`no remote of the table has ${ref}`);
  };
  const requests = Object.entries(wishes).map(([ref, kind]): Request => {
    if (kind === "install") return { kind, candidate: candidateFor(ref) };
    const found = here.find(({ deployment }) => formatRef(deployment.ref) === ref);
    if (found === undefined) throw new Error(`the table has not installed ${ref}`);
    return { kind, deployment: found.deployment };
  });
  for (const asked: string[] = []; ; ) {
    const resolution = resolve({ ...facts, answers }, requests);
    if ("plan" in resolution) return { plan: resolution.plan, asked };
    for (const { remote, arch } of resolution.asks) {
      asked.push(remote.name);
      answers.set(answerKey(remote.name, arch), offered(remote.name));
    }
  }
}

/** The operations in their order, such as `install app/…`. */
export function steps(table: Table, wishes: Wishes): readonly string[] {
  return plan(table, wishes).plan.operations.map(({ operation, ref }) => `${operation} ${formatRef(ref)}`);
}
