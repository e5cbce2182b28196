// SPDX-License-Identifier: Apache-2.0

/** What a manual page says. */
export interface Manual {
  /** `dowel-remote-add`; the section is 1. */
  readonly page: string;
  readonly brief: string;
  readonly synopsis: string;
  readonly paragraphs: readonly string[];
  /** Sections of terms with what they mean: options, commands. */
  readonly lists: readonly {
    readonly title: string;
    readonly items: readonly (readonly [term: string, text: string])[];
  }[];
  readonly seeAlso: readonly string[];
}

/** A text as man(7) wants it: nothing in it is read as a request or an escape, and `-` stays what one types. */
function plain(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-");
  return escaped
    .split("\n")
    .map((line) => (/^['.]/.test(line) ? `\\&${line}` : line))
    .join("\n");
}

function section(title: string, body: readonly string[]): string[] {
  return body.length === 0 ? [] : [`.SH ${plain(title.toUpperCase())}`, ...body];
}

/** The page in the macros of man(7). `version` is the program's. */
export function formatManual(manual: Manual, version: string): string {
  const { page, brief, synopsis, paragraphs, lists, seeAlso } = manual;
  const name = page.replace("-", " ");
  const lines = [
    `.TH ${plain(page.toUpperCase())} 1 "" "Dowel ${plain(version)}" "Dowel"`,
    ...section("Name", [`${plain(page)} \\- ${plain(brief)}`]),
    ...section("Synopsis", [`.B ${plain(name)}`, plain(synopsis)]),
    ...section(
      "Description",
      paragraphs.flatMap((text, at) => (at === 0 ? [plain(text)] : [".PP", plain(text)])),
    ),
    ...lists.flatMap(({ title, items }) =>
      section(
        title,
        items.flatMap(([term, text]) => [".TP", `.B ${plain(term)}`, plain(text)]),
      ),
    ),
    ...section(
      "See also",
      seeAlso.length === 0 ? [] : [seeAlso.map((other) => `\\fB${plain(other)}\\fR(1)`).join(", ")],
    ),
  ];
  return `${lines.join("\n")}\n`;
}
