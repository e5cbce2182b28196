// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { type DowelError, errnoOf, fileError, isDowelError } from "../../base/errors.ts";
import { type Report, silent } from "../../base/events.ts";
import { formatRef } from "../../metadata/ref.ts";
import { listRemotes } from "../../remotes/config.ts";
import { listDeployments } from "../../store/deployments.ts";
import type { Installation } from "../../store/installation.ts";
import { changeSetting, readSettings } from "../../store/settings.ts";
import { type GatherOptions, planRequests } from "../gather.ts";
import { type Offers, offersFor } from "../offers.ts";
import { offeredRef, type Request, type TransactionOptions } from "../resolve/facts.ts";
import type { Candidate, FailedOperation, Plan } from "../types.ts";
import { type Decision, decide } from "./decide.ts";
import { type PreinstallFile, readWishes, type Wish } from "./wishes.ts";

export interface PreinstallOptions extends GatherOptions, TransactionOptions {
  /** Where the files lie; later folders win. */
  readonly folders?: readonly string[];
}

/** Flatpak's folders and Dowel's own, what the maker of the system gave before what its administrator did. */
function standardFolders(environment: NodeJS.ProcessEnv): readonly string[] {
  const folder = (variable: string, otherwise: string): string => {
    const value = environment[variable];
    return join(value !== undefined && isAbsolute(value) ? value : otherwise, "preinstall.d");
  };
  return [
    folder("FLATPAK_DATA_DIR", "/usr/share/flatpak"),
    folder("DOWEL_DATA_DIR", "/usr/share/dowel"),
    folder("FLATPAK_CONFIG_DIR", "/etc/flatpak"),
    folder("DOWEL_CONFIG_DIR", "/etc/dowel"),
  ];
}

function readFiles(folder: string): readonly PreinstallFile[] {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith(".preinstall"));
    return names.sort().map((name) => ({ path: join(folder, name), bytes: readFileSync(join(folder, name)) }));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw fileError(error, "read", folder);
  }
}

/**
 * The image of a wish, from the remote with the highest priority that has it. Where none has it, but one did not answer,
 * that is why: it may come when it is asked again.
 */
async function find(
  wish: Wish,
  target: Installation,
  offers: Offers,
  report: Report,
): Promise<Candidate | DowelError | undefined> {
  const name = formatRef(wish.ref);
  const fits = listRemotes(target).filter(
    ({ disabled, collectionId }) =>
      !disabled &&
      (wish.collectionId === undefined || collectionId === undefined || collectionId === wish.collectionId),
  );
  let silence: DowelError | undefined;
  for (const remote of fits) {
    try {
      const image = offeredRef(await offers.of(remote, wish.ref.arch), name);
      if (image !== undefined) return { image, origin: remote.name, newRemote: undefined };
    } catch (error) {
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
      silence ??= error;
    }
  }
  if (silence !== undefined) return silence;
  report({ type: "warning", text: `${name}: no remote has it, so it is not preinstalled` });
  return undefined;
}

/** What is to be preinstalled and removed now, by the files and by what was preinstalled before. */
function decideFor(target: Installation, options: PreinstallOptions): Decision {
  const { report = silent, folders = standardFolders(process.env), reinstall = false } = options;
  const wishes = readWishes(folders.flatMap(readFiles), (text) => report({ type: "warning", text }));
  const installed = new Set(listDeployments(target).map(({ ref }) => formatRef(ref)));
  return decide({ wishes, installed, preinstalled: readSettings(target).get("preinstalled"), reinstall });
}

/**
 * Plans what the system's preinstall files ask for. Refs that no remote has are warnings; one that a remote may have that
 * does not answer fails, so that the first start of a system without network is not the last try.
 * Call `notePreinstalled` when it has been carried out.
 */
export async function preparePreinstall(target: Installation, options: PreinstallOptions = {}): Promise<Plan> {
  const { report = silent } = options;
  const { install, uninstall } = decideFor(target, options);
  const offers = offersFor(target, options);
  const requests: Request[] = [];
  const failed: FailedOperation[] = [];
  for (const wish of install) {
    const candidate = await find(wish, target, offers, report);
    if (isDowelError(candidate)) failed.push({ operation: "install", ref: wish.ref, error: candidate });
    else if (candidate !== undefined) requests.push({ kind: "install", candidate });
  }
  for (const deployment of listDeployments(target)) {
    if (uninstall.includes(formatRef(deployment.ref))) requests.push({ kind: "uninstall", deployment });
  }
  const plan = await planRequests(target, requests, options, { offers });
  return { ...plan, failed: [...plan.failed, ...failed] };
}

/** What is to be noted as preinstalled now; undefined where it is noted already. */
export function unnotedPreinstalled(
  target: Installation,
  options: PreinstallOptions = {},
): readonly string[] | undefined {
  const { preinstalled, install } = decideFor(target, options);
  const missing = new Set(install.map(({ ref }) => formatRef(ref)));
  const wanted = preinstalled.filter((name) => !missing.has(name));
  const present = readSettings(target).get("preinstalled") ?? [];
  return wanted.join(";") === present.join(";") ? undefined : wanted;
}

/**
 * Notes what is preinstalled now, so that it is not installed again when a user removes it. Answers whether that
 * changed anything.
 */
export async function notePreinstalled(target: Installation, options: PreinstallOptions = {}): Promise<boolean> {
  const wanted = unnotedPreinstalled(target, options);
  if (wanted !== undefined) await changeSetting(target, "preinstalled", () => wanted, options.signal);
  return wanted !== undefined;
}
