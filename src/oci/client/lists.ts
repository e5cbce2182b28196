// SPDX-License-Identifier: Apache-2.0
import { Decoder } from "../../base/decode.ts";
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { decodeUtf8 } from "../../base/text.ts";
import { type Answer, readBody } from "./answer.ts";
import type { Transport } from "./transport.ts";

/** Reads `tags/list` or `_catalog` page after page, following `Link: <…>; rel="next"` within the registry. */
export async function* listPages(
  transport: Transport,
  path: string,
  key: "tags" | "repositories",
  scopes: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<readonly string[], void, undefined> {
  let url: URL | undefined = new URL(path, transport.base);
  for (let pages = 0; url !== undefined; pages++) {
    if (pages >= limits.registryListPages) {
      throw new DowelError("LIMIT_EXCEEDED", `${transport.name}${path}: more than ${limits.registryListPages} pages`);
    }
    const answer: Answer = await transport.request({ method: "GET", url, scopes, expect: [200], signal });
    const decoder: Decoder = new Decoder("REGISTRY_RESPONSE", answer.what);
    const text = decodeUtf8(await readBody(answer, limits.ociDocumentBytes)) ?? decoder.fail("", "UTF-8 text");
    const items = decoder.optional(decoder.object(decoder.parse(text), "")[key], (list) => decoder.array(list, key));
    yield (items ?? []).map((item, at) => decoder.string(item, `${key}[${at}]`));
    url = nextPage(answer, transport.base);
  }
}

/** Where `Link` (RFC 8288) says that the next page is. */
export function nextPage(answer: Pick<Answer, "response" | "url" | "what">, base: URL): URL | undefined {
  const target = /<([^<>]*)>\s*;[^,]*\brel="?next"?/i.exec(answer.response.headers.get("link") ?? "")?.[1];
  if (target === undefined) return undefined;
  const next = URL.canParse(target, answer.url.href) ? new URL(target, answer.url) : undefined;
  if (next?.origin === base.origin) return next;
  throw new DowelError("REGISTRY_RESPONSE", `${answer.what}: the next page is on another host`);
}
