// SPDX-License-Identifier: Apache-2.0
import { compareBytes } from "../base/text.ts";
import { Failure } from "./failure.ts";
import type { Context } from "./request.ts";

const defaultPage = 1000;

export async function listTags(context: Context, repository: string): Promise<Response> {
  if (!(await context.store.hasRepository(repository))) {
    throw new Failure("NAME_UNKNOWN", `there is no repository ${repository}`);
  }
  const { items, headers } = pageOf(context, await context.store.tags(repository));
  return Response.json({ name: repository, tags: items }, { headers });
}

export async function listRepositories(context: Context): Promise<Response> {
  const names = await Array.fromAsync(context.store.repositories());
  const { items, headers } = pageOf(context, names.sort(compareBytes));
  return Response.json({ repositories: items }, { headers });
}

interface Page {
  readonly items: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
}

/** The part of a sorted list that `n` and `last` ask for, with a `Link` to the next part. */
function pageOf({ url }: Context, all: readonly string[]): Page {
  const asked = url.searchParams.get("n");
  if (asked !== null && !/^[0-9]{1,9}$/.test(asked)) throw new Failure("UNSUPPORTED", "n must be a number", {}, 400);
  const count = Math.min(asked === null ? defaultPage : Number(asked), defaultPage);
  const last = url.searchParams.get("last");
  const rest = last === null ? all : all.filter((item) => compareBytes(item, last) > 0);
  const items = rest.slice(0, count);
  const end = items.at(-1);
  if (end === undefined || items.length === rest.length) return { items, headers: {} };
  const next = `${url.pathname}?n=${count}&last=${encodeURIComponent(end)}`;
  return { items, headers: { link: `<${next}>; rel="next"` } };
}
