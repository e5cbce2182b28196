// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import type { Installation } from "../store/installation.ts";
import { readSettings } from "../store/settings.ts";

/** Where systems note the language of everybody: locale.conf(5), and Debian's file. */
const systemFiles = ["/etc/locale.conf", "/etc/default/locale"];

/** The code of a locale's language: `de` of `de_AT.UTF-8`; undefined for the one without a language. */
function languageOf(locale: string): string | undefined {
  const [code = ""] = locale.split(/[_.@]/);
  return /^[a-z]{2,3}$/.test(code) ? code : undefined;
}

function systemLocales(): readonly string[] {
  for (const path of systemFiles) {
    try {
      const text = readFileSync(path, "utf8");
      return [...text.matchAll(/^(?:LANG|LANGUAGE|LC_[A-Z]+)="?([^"\n]*)"?$/gm)].flatMap(([, value = ""]) =>
        value.split(":"),
      );
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
  }
  return [];
}

function ownLocales(environment: NodeJS.ProcessEnv): readonly string[] {
  const { LANGUAGE = "", LC_ALL = "", LC_MESSAGES = "", LANG = "" } = environment;
  return [...LANGUAGE.split(":"), LC_ALL, LC_MESSAGES, LANG];
}

/**
 * Codes of the languages whose translations an installation wants: what `config languages` says, else those of the system
 * (of a user's installation: of the user), and `extra-languages` besides. Empty stands for all, which are also
 * wanted where nothing names a language (flatpak-config(1)).
 */
export function languagesOf(
  installation: Pick<Installation, "path" | "kind">,
  environment: NodeJS.ProcessEnv = process.env,
): readonly string[] {
  const settings = readSettings(installation);
  const set = settings.get("languages");
  if (set?.includes("*all*") === true) return [];
  const isSet = set !== undefined && set.length > 0 && !set.includes("*");
  const locales = isSet ? set : installation.kind === "user" ? ownLocales(environment) : systemLocales();
  const own = locales.flatMap((locale) => languageOf(locale) ?? []);
  if (own.length === 0) return [];
  const extra = (settings.get("extraLanguages") ?? []).flatMap((locale) => languageOf(locale) ?? []);
  return [...new Set([...own, ...extra])].sort();
}
