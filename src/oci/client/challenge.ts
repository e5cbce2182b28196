// SPDX-License-Identifier: Apache-2.0

/** One challenge of a `WWW-Authenticate` header (RFC 9110 11.6.1); scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const tokenPattern = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const parameterPattern =
  /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~0-9A-Za-z-]+))/y;

/** Reads the challenges of a header; what cannot be understood ends the list. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  for (let at = skip(header, 0); at < header.length; at = skip(header, at)) {
    const parameter = matchAt(parameterPattern, header, at);
    const current = challenges.at(-1);
    if (parameter !== null && current !== undefined) {
      const value = parameter[2]?.replace(/\\(.)/g, "$1") ?? parameter[3] ?? "";
      current.parameters.set((parameter[1] ?? "").toLowerCase(), value);
      at += parameter[0].length;
      continue;
    }
    const scheme = matchAt(tokenPattern, header, at);
    if (scheme === null) break;
    challenges.push({ scheme: scheme[0].toLowerCase(), parameters: new Map() });
    at += scheme[0].length;
  }
  return challenges;
}

function skip(text: string, from: number): number {
  let at = from;
  while (at < text.length && " \t,".includes(text.charAt(at))) at++;
  return at;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
