// SPDX-License-Identifier: Apache-2.0

/**
 * The names of the D-Bus specification ("Valid names", "Valid object paths"). Texts are as decoded from Latin-1, so
 * that any byte above 0x7f is refused.
 */

const nameBytes = 255;
const interfacePattern = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+$/;
const memberPattern = /^[A-Za-z_][A-Za-z0-9_]*$/;
const uniquePattern = /^:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+$/;
const wellKnownPattern = /^[A-Za-z_-][A-Za-z0-9_-]*(?:\.[A-Za-z_-][A-Za-z0-9_-]*)+$/;
const pathPattern = /^\/(?:[A-Za-z0-9_]+(?:\/[A-Za-z0-9_]+)*)?$/;

/** Also the form of error names. */
export function isInterface(text: string): boolean {
  return text.length <= nameBytes && interfacePattern.test(text);
}

export function isMember(text: string): boolean {
  return text.length <= nameBytes && memberPattern.test(text);
}

export function isWellKnownName(text: string): boolean {
  return text.length <= nameBytes && wellKnownPattern.test(text);
}

function isUniqueName(text: string): boolean {
  return text.length <= nameBytes && uniquePattern.test(text);
}

export function isPeerName(text: string): boolean {
  return text.charCodeAt(0) === 0x3a ? isUniqueName(text) : isWellKnownName(text);
}

export function isObjectPath(text: string): boolean {
  return pathPattern.test(text);
}
