// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { formatRef, isValidId, type RefKind } from "../metadata/ref.ts";
import { formatLocation, type RemoteLocation } from "../remotes/location.ts";
import { type Offer, selectRef } from "../remotes/select.ts";
import type { Remote, RemoteRef } from "../remotes/types.ts";
import { readName } from "./find.ts";
import { type OfferOptions, Offers } from "./offers.ts";

export interface DirectOptions extends OfferOptions {
  readonly arch?: string | undefined;
  readonly kind?: RefKind | undefined;
  /** Where no ref is named, take all instead of the only one. */
  readonly all?: boolean;
}

/** A remote that is not configured, for looking into a location. */
export function passingRemote(location: RemoteLocation): Remote {
  const flags = { priority: 0, disabled: false, noEnumerate: true, noDeps: true, gpgVerify: false };
  return { name: formatLocation(location), url: formatLocation(location), ...flags };
}

function unnamedImages({ remote, refs }: Offer, { kind, all }: DirectOptions): readonly RemoteRef[] {
  const fitting = refs.filter(({ ref }) => kind === undefined || ref.kind === kind);
  const [image, ...others] = fitting;
  if (image === undefined) {
    throw new DowelError("REF_NOT_FOUND", `${remote.url} has no image of an app or runtime for this architecture`);
  }
  if (others.length === 0 || all === true) return fitting;
  const names = [image, ...others].map(({ ref }) => formatRef(ref)).join(", ");
  throw new DowelError("REF_AMBIGUOUS", `${remote.url} has several: ${names}`, {
    hint: "Name one of them behind the location.",
  });
}

/** The images of a location that is no configured remote: those named, else its only one, or all. */
export async function selectDirect(
  location: RemoteLocation,
  refs: readonly string[],
  options: DirectOptions,
): Promise<{ readonly images: readonly RemoteRef[]; readonly offer: Offer }> {
  const offers = new Offers(undefined, options);
  const wanted = refs.map((text) => readName(text, options));
  const offer = await offers.of(passingRemote(location), wanted[0]?.arch ?? options.arch);
  if (wanted.length === 0) return { images: unnamedImages(offer, options), offer };
  // A word that is no id can be the name of an image in a layout, which need not be a ref.
  const named = (id: string): RemoteRef | undefined =>
    isValidId(id) ? undefined : offer.refs.find(({ tags }) => tags.includes(id));
  return { images: wanted.map((partial) => named(partial.id) ?? selectRef([offer], partial)), offer };
}
