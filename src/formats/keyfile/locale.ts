// SPDX-License-Identifier: Apache-2.0

/**
 * The names under which a text for a locale (`ll_CC.CODESET@MODIFIER`) may stand, best first, as
 * `g_get_locale_variants`: with a modifier before without, then with a territory, then with a codeset.
 */
export function localeVariants(locale: string): string[] {
  const parts = /^([^_.@]*)(_[^.@]*)?(\.[^@]*)?(@.*)?$/s.exec(locale);
  if (parts === null) return [locale];
  const [, language = "", territory = "", codeset = "", modifier = ""] = parts;
  const result = new Set<string>();
  for (const end of [modifier, ""]) {
    for (const middle of [territory, ""]) {
      for (const set of [codeset, ""]) result.add(`${language}${middle}${set}${end}`);
    }
  }
  return [...result];
}
