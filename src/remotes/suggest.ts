// SPDX-License-Identifier: Apache-2.0
import { editDistance } from "../base/suggest.ts";

const mostSuggestions = 5;
const longestCompared = 64;
/** A name within another one says something from this length on. */
const shortestPart = 3;

function unlikeness(wanted: string, name: string): number {
  const left = wanted.toLowerCase();
  const right = name.toLowerCase();
  if (left === right) return 0;
  const shorter = Math.min(left.length, right.length);
  if (shorter >= shortestPart && (right.includes(left) || left.includes(right))) return 1;
  const lastLeft = left.slice(left.lastIndexOf(".") + 1);
  const lastRight = right.slice(right.lastIndexOf(".") + 1);
  if (lastLeft === lastRight) return 2;
  if (left.length > longestCompared || right.length > longestCompared) return Number.POSITIVE_INFINITY;
  const distance = Math.min(editDistance(left, right), editDistance(lastLeft, lastRight) + 1);
  return distance <= Math.max(2, Math.floor(lastLeft.length / 4)) ? 2 + distance : Number.POSITIVE_INFINITY;
}

/** The names that are most like a mistyped one, likest first, at most five. */
export function suggestNames(wanted: string, names: Iterable<string>): string[] {
  return [...new Set(names)]
    .map((name) => ({ name, score: unlikeness(wanted, name) }))
    .filter(({ score }) => score < Number.POSITIVE_INFINITY)
    .sort((left, right) => left.score - right.score || (left.name < right.name ? -1 : 1))
    .slice(0, mostSuggestions)
    .map(({ name }) => name);
}
