// SPDX-License-Identifier: Apache-2.0
import type { Value } from "../../formats/document/value.ts";

/** A part of an image. Empty where the list does not say. */
export interface Part {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly location: string;
}

export interface SbomSummary {
  readonly kind: "sbom";
  readonly name: string;
  readonly created: string;
  readonly creators: readonly string[];
  readonly parts: readonly Part[];
}

function said(value: Value | undefined): string {
  const text = value?.text() ?? "";
  return text === "NOASSERTION" || text === "NONE" ? "" : text;
}

/** What an SPDX 2 document lists; other fields than those shown may stand in it. Throws the code of the text. */
export function describeSbom(value: Value): SbomSummary {
  const document = value.fields();
  const version = document.required("spdxVersion");
  if (!/^SPDX-2\.\d+$/.test(version.text())) version.fail("SPDX-2.x");
  const info = document.required("creationInfo").fields();
  const parts = (document.get("packages")?.list() ?? []).map((item): Part => {
    const fields = item.fields();
    return {
      name: fields.required("name").text(),
      version: said(fields.get("versionInfo")),
      licence: said(fields.get("licenseConcluded")) || said(fields.get("licenseDeclared")),
      location: said(fields.get("downloadLocation")),
    };
  });
  return {
    kind: "sbom",
    name: document.required("name").text(),
    created: info.text("created") ?? "",
    creators: info.texts("creators"),
    parts,
  };
}
