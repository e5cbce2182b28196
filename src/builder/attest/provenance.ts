// SPDX-License-Identifier: Apache-2.0
import { encodeUtf8 } from "../../base/text.ts";
import { version } from "../../base/version.ts";
import { formatRef } from "../../metadata/ref.ts";
import { provenanceType } from "../../oci/attestations.ts";
import type { BuildFacts, SourceFacts } from "./facts.ts";
import type { AttestedImage } from "./spdx.ts";

/** Names what the parameters of a statement mean. */
const buildTypes = {
  manifest: "https://dowel.org/build/manifest/v1",
  recipe: "https://dowel.org/build/recipe/v1",
} as const;
const builderId = "https://dowel.org/build/local/v1";

interface Dependency {
  readonly name?: string;
  readonly uri?: string;
  readonly digest?: Readonly<Record<string, string>>;
}

function sourceDependency({ type, name, location, commit, checksums }: SourceFacts): readonly Dependency[] {
  const digest = { ...Object.fromEntries(checksums), ...(commit === undefined ? {} : { gitCommit: commit }) };
  if (location === undefined && Object.keys(digest).length === 0) return [];
  const uri = location === undefined || type === "file" || type === "archive" ? location : `${type}+${location}`;
  return [{ name, ...(uri === undefined ? {} : { uri }), ...(Object.keys(digest).length === 0 ? {} : { digest }) }];
}

/**
 * How an image was made: an in-toto statement (v1) with SLSA's provenance (v1). No time and no number of the run stand in
 * it, so that building again from the same gives the same bytes.
 */
export function encodeProvenance(about: AttestedImage, facts: BuildFacts): Uint8Array {
  const files = facts.files.map(([name, sha256]): Dependency => ({ name, digest: { sha256 } }));
  const images = facts.images.flatMap(({ role, ref, commit }): readonly Dependency[] =>
    commit === undefined ? [] : [{ name: `${role} ${ref}`, digest: { sha256: commit } }],
  );
  const sources = facts.modules.flatMap((module) => module.sources.flatMap(sourceDependency));
  const packages = facts.packages.map(({ name, version: of, arch }): Dependency => {
    const place = `${encodeURIComponent(name)}@${encodeURIComponent(of)}?arch=${encodeURIComponent(arch)}`;
    return { uri: `pkg:deb/debian/${place}&distro=${encodeURIComponent(facts.suite ?? "")}` };
  });
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: formatRef(about.ref), digest: { sha256: about.digest.slice("sha256:".length) } }],
    predicateType: provenanceType,
    predicate: {
      buildDefinition: {
        buildType: buildTypes[facts.kind],
        externalParameters: { ref: formatRef(about.ref), [facts.kind]: facts.files[0]?.[0] ?? "", ...facts.parameters },
        internalParameters: { sourceDateEpoch: about.timestamp },
        resolvedDependencies: [...files, ...images, ...sources, ...packages],
      },
      runDetails: { builder: { id: builderId, version: { dowel: version } }, metadata: {} },
    },
  };
  return encodeUtf8(JSON.stringify(statement));
}
