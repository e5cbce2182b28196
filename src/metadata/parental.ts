// SPDX-License-Identifier: Apache-2.0
import { formatRef, type Ref } from "./ref.ts";

/**
 * What parental controls let a user run and install: the properties of com.endlessm.ParentalControls.AppFilter, which
 * malcontent adds to AccountsService.
 */
export interface AppFilter {
  /** Whether only what is listed may run, in place of all but that. */
  readonly onlyListed: boolean;
  /** Refs of apps, content types such as `x-scheme-handler/http`, and paths of programs. */
  readonly listed: readonly string[];
  readonly userInstallation: boolean;
  readonly systemInstallation: boolean;
  /** The most of each kind of content that an app may have: `violence-cartoon` -> `mild`. */
  readonly ratings: ReadonlyMap<string, string>;
}

/** What the controls look at of an app that is to run. */
export interface FilteredApp {
  readonly ref: Ref;
  readonly previousIds: readonly string[];
  /** What its main desktop file can open. */
  readonly contentTypes: readonly string[];
}

function isAllowed({ onlyListed }: AppFilter, isListed: boolean): boolean {
  return onlyListed === isListed;
}

/** Whether a user may run an app: by its ref, by its id and those it had before, and by what it opens. */
export function mayRun(filter: AppFilter, { ref, previousIds, contentTypes }: FilteredApp): boolean {
  const listed = new Set(filter.listed);
  const ids = new Set(filter.listed.filter((one) => one.startsWith("app/")).map((one) => one.split("/")[1]));
  return (
    isAllowed(filter, listed.has(formatRef(ref))) &&
    isAllowed(
      filter,
      [ref.id, ...previousIds].some((id) => ids.has(id)),
    ) &&
    contentTypes.every((type) => isAllowed(filter, listed.has(type)))
  );
}

/** How much of a kind of content there is, by the words of the Open Age Ratings Service, least first. */
const amounts = ["none", "mild", "moderate", "intense"];

const amountOf = (word: string): number => Math.max(0, amounts.indexOf(word));

/** What an app says of its contents, from its AppStream data; undefined where it says nothing. */
function ratingOf(appdata: string): ReadonlyMap<string, string> | undefined {
  const [, block] =
    /<content_rating\s+type=["']oars-1\.[01]["']\s*(?:\/>|>(.*?)<\/content_rating>)/s.exec(appdata) ?? [];
  if (block === undefined)
    return /<content_rating\s+type=["']oars-1\.[01]["']\s*\/>/.test(appdata) ? new Map() : undefined;
  const attributes = block.matchAll(/<content_attribute\s+id=["']([a-z-]+)["']\s*>\s*([a-z]+)\s*</g);
  return new Map([...attributes].map(([, name = "", value = ""]) => [name, value]));
}

/** Whether a user may install an app into an installation of a kind. An app that says nothing may hold anything. */
export function mayInstall(filter: AppFilter, kind: "user" | "system", appdata: string | undefined): boolean {
  if (!(kind === "user" ? filter.userInstallation : filter.systemInstallation)) return false;
  const rating = appdata === undefined ? undefined : ratingOf(appdata);
  const limited = [...filter.ratings].filter(([, most]) => amounts.includes(most) && most !== "intense");
  if (rating === undefined) return limited.length === 0;
  return limited.every(([name, most]) => amountOf(rating.get(name) ?? "none") <= amountOf(most));
}
