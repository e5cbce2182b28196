// SPDX-License-Identifier: Apache-2.0

/** What can be searched of one offered ref. */
export interface SearchEntry {
  /** `KIND/ID/ARCH/BRANCH` */
  readonly ref: string;
  readonly name: string;
  readonly version: string;
  readonly summary: string;
  /** Separated by commas. */
  readonly keywords: string;
  /** Separated by commas. */
  readonly subsets: string;
}

/** How well one word fits a text: 4 all of it, 3 its beginning, 2 the beginning of a word in it, 1 anywhere, 0 not. */
function fitOf(text: string, word: string): number {
  const at = text.indexOf(word);
  if (at < 0) return 0;
  if (at === 0) return text.length === word.length ? 4 : 3;
  return text.includes(` ${word}`) || text.includes(`.${word}`) || text.includes(`,${word}`) ? 2 : 1;
}

function scoreWord(entry: SearchEntry, word: string): number {
  const id = (entry.ref.split("/", 2)[1] ?? "").toLowerCase();
  const name = fitOf(entry.name.toLowerCase(), word) * 20;
  const byId = id === word ? 90 : fitOf(id, word) * 8;
  const keywords = entry.keywords
    .toLowerCase()
    .split(",")
    .reduce((best, keyword) => Math.max(best, fitOf(keyword, word)), 0);
  return Math.max(name, byId, keywords * 12, fitOf(entry.summary.toLowerCase(), word) * 5);
}

/**
 * How well an entry fits all words, which are in lower case; 0 where one of them fits nowhere. The name counts most,
 * then keywords, then the id, then the summary. Apps come before runtimes.
 */
export function scoreOf(entry: SearchEntry, words: readonly string[]): number {
  let total = 0;
  for (const word of words) {
    const score = scoreWord(entry, word);
    if (score === 0) return 0;
    total += score;
  }
  return entry.ref.startsWith("app/") ? total + 1000 : total;
}
