// SPDX-License-Identifier: Apache-2.0
import type { Value } from "../../formats/document/value.ts";
import { provenanceType } from "../../oci/attestations.ts";

/** Something that a build used. Empty where the statement does not say. */
export interface Material {
  readonly name: string;
  /** `ALGORITHM:HEX`, the strongest first. */
  readonly digests: readonly string[];
}

export interface ProvenanceSummary {
  readonly kind: "provenance";
  readonly buildType: string;
  readonly builder: string;
  /** Plain parameters by name. */
  readonly parameters: readonly (readonly [string, string])[];
  readonly materials: readonly Material[];
}

function digests(value: Value | undefined): readonly string[] {
  return (value?.fields().pairs() ?? []).map(([algorithm, digest]) => `${algorithm}:${digest.text()}`);
}

/**
 * What a statement of SLSA's provenance v1 tells; undefined where it is about another image or is no provenance. Throws the
 * code of the text.
 */
export function describeProvenance(value: Value, commit: string): ProvenanceSummary | undefined {
  const statement = value.fields();
  if (statement.text("predicateType") !== provenanceType) return undefined;
  const subjects = statement
    .required("subject")
    .list()
    .flatMap((item) => digests(item.fields().get("digest")));
  if (!subjects.includes(`sha256:${commit}`)) return undefined;
  const predicate = statement.required("predicate").fields();
  const definition = predicate.required("buildDefinition").fields();
  const parameters = definition.required("externalParameters").fields().pairs();
  const materials = definition.get("resolvedDependencies")?.list() ?? [];
  return {
    kind: "provenance",
    buildType: definition.required("buildType").text(),
    builder: predicate.required("runDetails").fields().required("builder").fields().required("id").text(),
    parameters: parameters.flatMap(([name, item]) =>
      item.node.kind === "string" ? [[name, item.text()] as const] : [],
    ),
    materials: materials.map((item) => {
      const fields = item.fields();
      return { name: fields.text("uri") ?? fields.text("name") ?? "", digests: digests(fields.get("digest")) };
    }),
  };
}
