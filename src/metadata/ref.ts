// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";

export type RefKind = "app" | "runtime";

/** A full ref, `app/ID/ARCH/BRANCH` or `runtime/ID/ARCH/BRANCH`. */
export interface Ref {
  readonly kind: RefKind;
  readonly id: string;
  readonly arch: string;
  readonly branch: string;
}

/** A ref with missing parts: `ID`, `ID//BRANCH`, `ID/ARCH`, `ID/ARCH/BRANCH`, each with or without the kind in front. */
export interface PartialRef {
  readonly kind: RefKind | undefined;
  readonly id: string;
  readonly arch: string | undefined;
  readonly branch: string | undefined;
}

const idElement = /^[A-Za-z_][A-Za-z0-9_]*$/;
const lastIdElement = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** Whether a text is an id: at most 255 characters, three elements or more, `-` only in the last (flatpak-ref(5)). */
export function isValidId(id: string): boolean {
  if (id.length === 0 || id.length > 255) return false;
  const elements = id.split(".");
  const last = elements.pop() ?? "";
  return elements.length >= 2 && elements.every((element) => idElement.test(element)) && lastIdElement.test(last);
}

export function isValidBranch(branch: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(branch) && branch.length <= 128;
}

export function isValidArch(arch: string): boolean {
  return /^[A-Za-z0-9_]{1,32}$/.test(arch);
}

function invalid(text: string, expected: string): DowelError {
  return new DowelError("REF_INVALID", `Invalid ref ${JSON.stringify(text)}: ${expected}`);
}

/** Parses a ref with or without its parts. Throws `REF_INVALID`. */
export function parsePartialRef(text: string): PartialRef {
  const parts = text.split("/");
  let kind: RefKind | undefined;
  if (parts[0] === "app" || parts[0] === "runtime") kind = parts.shift() as RefKind;
  const [id = "", arch = "", branch = "", ...rest] = parts;
  if (rest.length > 0) throw invalid(text, "expected at most KIND/ID/ARCH/BRANCH");
  if (!isValidId(id))
    throw invalid(text, "the id needs at least three elements of letters, digits and _, with dots between");
  if (arch !== "" && !isValidArch(arch)) throw invalid(text, "the architecture may hold only letters, digits and _");
  if (branch !== "" && !isValidBranch(branch))
    throw invalid(text, "the branch may hold only letters, digits, _, - and .");
  return { kind, id, arch: arch === "" ? undefined : arch, branch: branch === "" ? undefined : branch };
}

/** Parses a full ref, as labels and metadata hold it. Throws `REF_INVALID`. */
export function parseRef(text: string): Ref {
  const { kind, id, arch, branch } = parsePartialRef(text);
  if (kind === undefined || arch === undefined || branch === undefined) {
    throw invalid(text, "expected app/ID/ARCH/BRANCH or runtime/ID/ARCH/BRANCH");
  }
  return { kind, id, arch, branch };
}

/** Parses `ID/ARCH/BRANCH`, as `runtime=` and `sdk=` in metadata have it. Throws `REF_INVALID`. */
export function parseRuntimeName(text: string): Ref {
  return parseRef(`runtime/${text}`);
}

export function formatRef(ref: Ref): string {
  return `${ref.kind}/${ref.id}/${ref.arch}/${ref.branch}`;
}

export function sameRef(left: Ref, right: Ref): boolean {
  return formatRef(left) === formatRef(right);
}

/** Whether a full ref fits all the parts that a partial one names. */
export function matchesRef(ref: Ref, partial: PartialRef): boolean {
  return (
    ref.id === partial.id &&
    (partial.kind === undefined || partial.kind === ref.kind) &&
    (partial.arch === undefined || partial.arch === ref.arch) &&
    (partial.branch === undefined || partial.branch === ref.branch)
  );
}
