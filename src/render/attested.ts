// SPDX-License-Identifier: Apache-2.0
import type { Attested } from "../engine/attestations.ts";
import type { ProvenanceSummary } from "../engine/attested/provenance.ts";
import type { SbomSummary } from "../engine/attested/spdx.ts";
import { formatFields } from "./fields.ts";
import { formatTable, type Row } from "./table.ts";

function tableOf(titles: readonly (readonly [name: string, title: string])[], rows: readonly Row[]): string {
  const columns = titles.map(([name, title]) => ({ name, title, shownByDefault: true, description: "" }));
  return rows.length === 0 ? "" : `\n${formatTable(columns, rows, true)}`;
}

type Fields = readonly (readonly [name: string, value: string])[];

function sbomText(head: Fields, { created, creators, parts }: SbomSummary): string {
  const fields: Fields = [...head, ["Created", created], ["By", creators.join(", ")], ["Parts", `${parts.length}`]];
  const titles = [
    ["name", "Name"],
    ["version", "Version"],
    ["licence", "License"],
    ["location", "Source"],
  ] as const;
  const rows = parts.map((part): Row => ({ ...part }));
  return formatFields(fields) + tableOf(titles, rows);
}

function provenanceText(head: Fields, { buildType, builder, parameters, materials }: ProvenanceSummary): string {
  const fields: Fields = [...head, ["Build type", buildType], ["Builder", builder], ...parameters];
  const rows = materials.map(({ name, digests }): Row => ({ name, digests: digests.join(" ") }));
  const titles = [
    ["name", "Made of"],
    ["digests", "Digest"],
  ] as const;
  return formatFields(fields) + tableOf(titles, rows);
}

/** What was said of an image, for a person. */
export function attestedText({ ref, commit, signers, summary }: Attested): string {
  const signed = signers.length === 0 ? "nobody; its policy asks for no signature" : signers.join(", ");
  const head: Fields = [
    ["Ref", ref],
    ["Commit", commit],
    ["Signed by", signed],
  ];
  return summary.kind === "sbom" ? sbomText(head, summary) : provenanceText(head, summary);
}
