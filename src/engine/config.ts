// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { nearestWord } from "../base/suggest.ts";
import type { Installation } from "../store/installation.ts";
import { changeSetting, parseKeptVersions, readSettings, type SettingName } from "../store/settings.ts";

interface ConfigKey {
  readonly setting: SettingName;
  /** Reads the values of a text. Throws `USAGE`. */
  readonly parse: (text: string) => readonly string[];
}

function list(text: string): readonly string[] {
  return text.split(";").filter((item) => item !== "");
}

function languages(text: string): readonly string[] {
  const found = list(text);
  const wrong = found.find(
    (language) => language !== "*" && language !== "*all*" && !/^[a-z]{2,3}(_[A-Z]{2})?$/.test(language),
  );
  if (wrong === undefined) return found;
  throw new DowelError("USAGE", `${wrong} is not a language; expected one like de or pt_BR, with ; between several`);
}

function yesOrNo(text: string): readonly string[] {
  if (text === "true" || text === "false") return [text];
  throw new DowelError("USAGE", `${text}: expected true or false`);
}

/** Keys of `config`: Flatpak's two, and Dowel's own. */
const keys: Readonly<Record<string, ConfigKey>> = {
  languages: { setting: "languages", parse: languages },
  "extra-languages": { setting: "extraLanguages", parse: languages },
  "keep-versions": { setting: "keepVersions", parse: (text) => [String(parseKeptVersions(text))] },
  "sideload-repos": { setting: "sideloadRepos", parse: list },
  "update-on-metered": { setting: "updateOnMetered", parse: yesOrNo },
  "update-on-battery": { setting: "updateOnBattery", parse: yesOrNo },
};

export const configKeys: readonly string[] = Object.keys(keys);

function keyOf(name: string): ConfigKey {
  const key = Object.hasOwn(keys, name) ? keys[name] : undefined;
  if (key !== undefined) return key;
  const near = nearestWord(name, configKeys);
  throw new DowelError("USAGE", `Unknown configuration key ${JSON.stringify(name)}`, {
    hint: near === undefined ? `There are: ${configKeys.join(", ")}.` : `Did you mean ${near}?`,
  });
}

/** What is set under a key, items with `;` between; undefined where nothing is. Throws `USAGE`. */
export function getConfig(installation: Pick<Installation, "path">, name: string): string | undefined {
  return readSettings(installation).get(keyOf(name).setting)?.join(";");
}

/** Throws `USAGE` where a text may not be set under a key. */
export function checkConfig(name: string, text: string): void {
  keyOf(name).parse(text);
}

/** Sets a key, or takes it away where the text is undefined. Throws `USAGE`, and nothing is changed then. */
export async function setConfig(
  installation: Pick<Installation, "path">,
  name: string,
  text: string | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const { setting, parse } = keyOf(name);
  const values = text === undefined ? undefined : parse(text);
  await changeSetting(installation, setting, () => values, signal);
}
