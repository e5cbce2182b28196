// SPDX-License-Identifier: Apache-2.0
import { hostArch } from "../base/arch.ts";
import { type DowelError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { listRefs } from "../remotes/catalogue.ts";
import type { ListOptions } from "../remotes/readremote.ts";
import type { Offer } from "../remotes/select.ts";
import type { Remote, RemoteRef } from "../remotes/types.ts";
import type { Installation } from "../store/installation.ts";
import { mayHaveMedia } from "./media.ts";

export interface OfferOptions {
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Ask no registry; take what was heard last. */
  readonly cached?: boolean | undefined;
  /** Of a registry that cannot be reached, take what was heard last: the images may be on a medium. */
  readonly mayBeOld?: boolean | undefined;
}

/** The answer of a remote, and what it will be if it has not changed: undefined where nothing was heard of it before. */
interface Asked {
  readonly offer: Promise<Offer>;
  readonly foreseen: Promise<Offer | undefined>;
}

/** Asks remotes what they have, each at most once for an architecture. */
export class Offers {
  readonly #folder: string | undefined;
  readonly #report: Report;
  readonly #signal: AbortSignal | undefined;
  readonly #cached: boolean;
  readonly #mayBeOld: boolean;
  readonly #asked = new Map<string, Asked>();

  /** `cacheFolder`: the folder of an installation, or undefined to keep no answers. */
  constructor(cacheFolder: string | undefined, options: OfferOptions = {}) {
    this.#folder = cacheFolder;
    this.#report = options.report ?? silent;
    this.#signal = options.signal;
    this.#cached = options.cached ?? false;
    this.#mayBeOld = options.mayBeOld ?? false;
  }

  /** What one remote has. Throws what its registry or layout throws. */
  of(remote: Remote, arch?: string): Promise<Offer> {
    return this.#question(remote, arch).offer;
  }

  /**
   * What one remote will answer if it has nothing new, while it is still asked; the answer is the same object then.
   * Undefined where nothing is known of it.
   */
  foreseen(remote: Remote, arch?: string): Promise<Offer | undefined> {
    return this.#question(remote, arch).foreseen;
  }

  #question(remote: Remote, arch: string | undefined): Asked {
    const key = `${remote.name} ${arch ?? hostArch()}`;
    const known = this.#asked.get(key);
    if (known !== undefined) return known;
    const { promise: foreseen, resolve: foresee } = Promise.withResolvers<Offer | undefined>();
    const offer = this.#ask(remote, arch, foresee).finally(() => foresee(undefined));
    offer.catch(() => undefined);
    const asked = { offer, foreseen };
    this.#asked.set(key, asked);
    return asked;
  }

  async #ask(remote: Remote, arch: string | undefined, foresee: (offer: Offer) => void): Promise<Offer> {
    const options = { arch, cacheFolder: this.#folder, signal: this.#signal };
    let foreseen: Offer | undefined;
    const foresees = (refs: readonly RemoteRef[]): void => {
      foreseen = { remote, refs };
      foresee(foreseen);
    };
    try {
      const refs = await listRefs(remote, { ...options, cached: this.#cached, foresees });
      return refs === foreseen?.refs ? foreseen : { remote, refs };
    } catch (error) {
      if (!isDowelError(error, "REGISTRY_UNREACHABLE") || !this.#mayBeOld) throw error;
      return await this.#lastHeard(remote, options, error);
    }
  }

  async #lastHeard(remote: Remote, options: ListOptions, error: DowelError): Promise<Offer> {
    try {
      const refs = await listRefs(remote, { ...options, cached: true });
      this.#report({ type: "warning", text: `${error.message}; going by what was heard last` });
      return { remote, refs };
    } catch {
      throw error;
    }
  }

  /**
   * What several remotes have. One that fails is reported and left out; where all fail, the first error is thrown.
   */
  async ofAll(remotes: readonly Remote[], arch?: string): Promise<readonly Offer[]> {
    const settled = await Promise.allSettled(remotes.map((remote) => this.of(remote, arch)));
    const offers: Offer[] = [];
    const failures: DowelError[] = [];
    for (const outcome of settled) {
      if (outcome.status === "fulfilled") {
        offers.push(outcome.value);
        continue;
      }
      const error: unknown = outcome.reason;
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
      failures.push(error);
    }
    const [first, ...others] = failures;
    if (first !== undefined && offers.length === 0 && others.length === 0) throw first;
    for (const { message } of failures) this.#report({ type: "warning", text: message });
    if (first !== undefined && offers.length === 0) throw first;
    return offers;
  }
}

/** What remotes have, for a plan: of those out of reach what was heard last, where media may have their images. */
export function offersFor(target: Installation, options: OfferOptions): Offers {
  return new Offers(target.path, { ...options, mayBeOld: options.mayBeOld === true || mayHaveMedia(target) });
}
