// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type Variant, valueAs } from "../../formats/dbus/types.ts";
import { BearerToken, isTokenText } from "../../oci/client/token.ts";

/** An error for an answer that makes no sense. `what` never holds what was answered: it may be a secret. */
export function senseless(name: string, what: string): DowelError {
  return new DowelError("AUTHENTICATOR_ANSWER", `The authenticator ${name} answers ${what}`, {
    hint: "Tell its maker, or take another: remote-modify --authenticator-name=NAME REMOTE.",
  });
}

/** The address of a web page at which a person logs in. Throws `AUTHENTICATOR_ANSWER`. */
export function readPage(name: string, text: unknown): string {
  const url = typeof text === "string" && URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && ["https:", "http:"].includes(url.protocol)) return url.href;
  throw senseless(name, "with an address that is not one of the web");
}

/**
 * The tokens of a `Response`, by the full refs that were asked for; what is for others is passed over. Throws `ABORTED`,
 * `AUTHENTICATOR_REFUSED`, and `AUTHENTICATOR_ANSWER` for what makes no sense.
 */
export function readResponse(
  name: string,
  asked: ReadonlySet<string>,
  [code, results]: readonly [number, ReadonlyMap<string, Variant>],
): ReadonlyMap<string, BearerToken> {
  if (code === 1) throw new DowelError("ABORTED", `The login by ${name} was cancelled`);
  if (code === 2) {
    const reason = valueAs("s", results.get("error-message"))
      ?.slice(0, limits.authenticatorReasonCharacters)
      .replace(/\s+/g, " ");
    throw new DowelError(
      "AUTHENTICATOR_REFUSED",
      `The authenticator ${name} gives no access${reason ? `: ${reason}` : ""}`,
    );
  }
  if (code !== 0) throw senseless(name, `with the unknown code ${code}`);
  const given = results.get("tokens");
  const tokens = valueAs("a{sas}", given);
  if (given !== undefined && tokens === undefined)
    throw senseless(name, `tokens of type '${given.signature}', not 'a{sas}'`);
  const found = new Map<string, BearerToken>();
  for (const [text, refs] of tokens ?? []) {
    const wanted = refs.filter((ref) => asked.has(ref));
    if (wanted.length === 0) continue;
    if (!isTokenText(text))
      throw senseless(name, `a token for ${wanted[0]} that is not printable ASCII of a bearable length`);
    const token = new BearerToken(text);
    for (const ref of wanted) {
      if (found.has(ref)) throw senseless(name, `two tokens for ${ref}`);
      found.set(ref, token);
    }
  }
  return found;
}
