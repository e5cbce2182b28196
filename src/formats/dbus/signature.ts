// SPDX-License-Identifier: Apache-2.0

const basic = "ybnqiuxtdsogh";
const depthLimit = 32;

/** Index behind the complete type that starts at `at`, or -1. */
function skipType(text: string, at: number, arrays: number, structs: number): number {
  const code = text.charAt(at);
  if (code === "v" || (code !== "" && basic.includes(code))) return at + 1;
  if (code === "a") {
    if (arrays === depthLimit) return -1;
    return text.charAt(at + 1) === "{"
      ? skipEntry(text, at + 2, arrays + 1, structs)
      : skipType(text, at + 1, arrays + 1, structs);
  }
  return code === "(" && structs < depthLimit ? skipMembers(text, at + 1, arrays, structs + 1) : -1;
}

function skipEntry(text: string, at: number, arrays: number, structs: number): number {
  const key = text.charAt(at);
  if (key === "" || !basic.includes(key) || structs === depthLimit) return -1;
  const end = skipType(text, at + 1, arrays, structs + 1);
  return end >= 0 && text.charAt(end) === "}" ? end + 1 : -1;
}

function skipMembers(text: string, start: number, arrays: number, structs: number): number {
  let at = start;
  while (at >= 0 && text.charAt(at) !== ")") at = skipType(text, at, arrays, structs);
  return at > start ? at + 1 : -1;
}

/** Whether a text is a signature: complete types, at most 255 bytes, arrays and structs at most 32 deep each. */
export function isSignature(text: string): boolean {
  if (text.length > 255) return false;
  let at = 0;
  while (at >= 0 && at < text.length) at = skipType(text, at, 0, 0);
  return at >= 0;
}

/** The complete types that a valid signature consists of. */
export function splitSignature(text: string): string[] {
  const types: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = skipType(text, at, 0, 0);
    if (end < 0) throw new TypeError(`'${text}' is no D-Bus signature`);
    types.push(text.slice(at, end));
    at = end;
  }
  return types;
}
