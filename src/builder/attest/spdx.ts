// SPDX-License-Identifier: Apache-2.0

import { encodeUtf8 } from "../../base/text.ts";
import { version as ownVersion } from "../../base/version.ts";
import { parseAppdata } from "../../metadata/appdata.ts";
import { formatRef, type Ref } from "../../metadata/ref.ts";
import type { Digest } from "../../oci/digest.ts";
import type { BuildFacts, PackageFacts, SourceFacts, UsedImage } from "./facts.ts";

/** The image that a document is about. */
export interface AttestedImage {
  readonly ref: Ref;
  readonly digest: Digest;
  /** Seconds since 1970. */
  readonly timestamp: number;
  /** Its AppStream data. */
  readonly appdata: string | undefined;
}

interface Package {
  readonly SPDXID: string;
  readonly name: string;
  readonly [field: string]: unknown;
}

interface Relationship {
  readonly spdxElementId: string;
  readonly relationshipType: string;
  readonly relatedSpdxElement: string;
}

const none = "NOASSERTION";
const image = "SPDXRef-Image";

/** Only letters, digits, `.` and `-` may stand in an id (SPDX 2.3, 6.3); the number keeps ids apart. */
function idOf(kind: string, number: string, name: string): string {
  return `SPDXRef-${kind}-${number}-${name.replace(/[^A-Za-z0-9.-]+/g, "-").slice(0, 60)}`;
}

/** Every field that SPDX 2.2 still asks for, so that older readers take it, too. */
function plainPackage(id: string, name: string, fields: Readonly<Record<string, unknown>>): Package {
  const most = { downloadLocation: none, filesAnalyzed: false, licenseConcluded: none, licenseDeclared: none };
  return { SPDXID: id, name, ...most, copyrightText: none, ...fields };
}

/** A licence as AppStream data name it, where it is an expression of plain names. */
function plainExpression(text: string | undefined): string {
  return /^[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*$/.test(text ?? "") ? (text ?? none) : none;
}

function imagePackage({ ref, digest, appdata }: AttestedImage): Package {
  const { version = ref.branch, license } = appdata === undefined ? {} : parseAppdata(appdata);
  return plainPackage(image, ref.id, {
    versionInfo: version,
    primaryPackagePurpose: ref.kind === "app" ? "APPLICATION" : "FRAMEWORK",
    checksums: [{ algorithm: "SHA256", checksumValue: digest.slice("sha256:".length) }],
    licenseDeclared: plainExpression(license),
    comment: `OCI image of ${formatRef(ref)}; the checksum is its manifest's.`,
  });
}

/** Where a source is, in the forms of SPDX 2.3, 7.7. */
function downloadLocation({ type, location, commit }: SourceFacts): string {
  if (location === undefined) return none;
  if (type === "git" || type === "svn" || type === "bzr") {
    return `${type}+${location}${commit === undefined ? "" : `@${commit}`}`;
  }
  return location;
}

function sourcePackage(source: SourceFacts, number: string): Package {
  const { name, type, version, checksums } = source;
  const sums = checksums.map(([algorithm, checksumValue]) => ({ algorithm: algorithm.toUpperCase(), checksumValue }));
  return plainPackage(idOf("Source", number, name), name, {
    ...(version === undefined ? {} : { versionInfo: version }),
    downloadLocation: downloadLocation(source),
    ...(sums.length === 0 ? {} : { checksums: sums }),
    primaryPackagePurpose: type === "archive" ? "ARCHIVE" : type === "file" || type === "patch" ? "FILE" : "SOURCE",
  });
}

function debianPackage(one: PackageFacts, number: number, suite: string): Package {
  const { name, version, arch, licence } = one;
  const place = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}`;
  const referenceLocator = `${place}?arch=${encodeURIComponent(arch)}&distro=${encodeURIComponent(suite)}`;
  return plainPackage(idOf("Package", `${number}`, name), name, {
    versionInfo: version,
    ...(licence === undefined ? {} : { licenseDeclared: licence.expression }),
    externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator }],
  });
}

const roles = {
  runtime: ["DEPENDS_ON", true],
  extended: ["DEPENDS_ON", true],
  sdk: ["BUILD_DEPENDENCY_OF", false],
  extension: ["BUILD_DEPENDENCY_OF", false],
  base: ["DESCENDANT_OF", true],
} as const;

function usedPackage({ ref, commit }: UsedImage, number: number): Package {
  const [, id = "", , branch = ""] = ref.split("/");
  return plainPackage(idOf("Image", `${number}`, id), id, {
    versionInfo: branch,
    ...(commit === undefined ? {} : { checksums: [{ algorithm: "SHA256", checksumValue: commit }] }),
    comment: `OCI image of ${ref}`,
  });
}

/** What SPDX has no name for must be explained (SPDX 2.3, 10). */
function ownLicences(packages: readonly PackageFacts[]): readonly object[] {
  const found = new Map(packages.flatMap(({ licence }) => [...(licence?.others ?? [])]));
  return [...found].sort().map(([licenseId, name]) => ({
    licenseId,
    name,
    extractedText: `Debian's name for it is ${name}; the text is in /usr/share/doc/PACKAGE/copyright of the image.`,
  }));
}

function relation(spdxElementId: string, relationshipType: string, relatedSpdxElement: string): Relationship {
  return { spdxElementId, relationshipType, relatedSpdxElement };
}

/**
 * The list of what an image was made of, as JSON of SPDX 2.3: its modules with their sources, the packages of a
 * distribution, and the images that it needs or was built with. Equal facts give equal bytes.
 */
export function encodeSpdx(about: AttestedImage, facts: BuildFacts): Uint8Array {
  const packages: Package[] = [imagePackage(about)];
  const relationships: Relationship[] = [relation("SPDXRef-DOCUMENT", "DESCRIBES", image)];
  const add = (one: Package): string => {
    packages.push(one);
    return one.SPDXID;
  };
  for (const [at, { name, sources }] of facts.modules.entries()) {
    const module = add(plainPackage(idOf("Module", `${at + 1}`, name), name, {}));
    relationships.push(relation(image, "CONTAINS", module));
    for (const [number, source] of sources.entries()) {
      relationships.push(relation(module, "GENERATED_FROM", add(sourcePackage(source, `${at + 1}.${number + 1}`))));
    }
  }
  for (const [at, one] of facts.packages.entries()) {
    relationships.push(relation(image, "CONTAINS", add(debianPackage(one, at + 1, facts.suite ?? ""))));
  }
  for (const [at, used] of facts.images.entries()) {
    const other = add(usedPackage(used, at + 1));
    const [type, isOurs] = roles[used.role];
    relationships.push(isOurs ? relation(image, type, other) : relation(other, type, image));
  }
  const name = formatRef(about.ref);
  const licences = ownLicences(facts.packages);
  const document = {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name,
    documentNamespace: `https://spdx.org/spdxdocs/${name.replaceAll("/", "-")}-${about.digest.slice("sha256:".length)}`,
    creationInfo: {
      created: new Date(about.timestamp * 1000).toISOString().replace(".000Z", "Z"),
      creators: [`Tool: dowel-${ownVersion}`],
    },
    packages,
    ...(licences.length === 0 ? {} : { hasExtractedLicensingInfos: licences }),
    relationships,
  };
  return encodeUtf8(JSON.stringify(document));
}
