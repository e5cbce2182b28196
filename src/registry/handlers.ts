// SPDX-License-Identifier: Apache-2.0
import { deleteBlob, getBlob } from "./blobs.ts";
import { listRepositories, listTags } from "./lists.ts";
import { deleteManifest, getManifest, getReferrers, putManifest } from "./manifests.ts";
import { beginUpload, cancelUpload, continueUpload, finishUpload, uploadStatus } from "./push.ts";
import type { Context } from "./request.ts";
import type { Route } from "./routes.ts";

type Handler = () => Promise<Response>;

/** What can be done at a place, by HTTP method. */
export function handlers(context: Context, route: Route): Readonly<Record<string, Handler | undefined>> {
  switch (route.kind) {
    case "ping":
      return readers(async () => Response.json({}));
    case "catalog":
      return readers(() => listRepositories(context));
    case "index":
      return {};
    case "tags":
      return readers(() => listTags(context, route.repository));
    case "referrers":
      return readers(() => getReferrers(context, route.repository, route.digest));
    case "manifest": {
      const { repository, reference } = route;
      return {
        ...readers(() => getManifest(context, repository, reference)),
        PUT: () => putManifest(context, repository, reference),
        DELETE: () => deleteManifest(context, repository, reference),
      };
    }
    case "blob": {
      const { repository, digest } = route;
      return {
        ...readers(() => getBlob(context, repository, digest)),
        DELETE: () => deleteBlob(context, repository, digest),
      };
    }
    case "uploads":
      return { POST: () => beginUpload(context, route.repository) };
    case "upload": {
      const { repository, id } = route;
      return {
        GET: () => uploadStatus(context, repository, id),
        PATCH: () => continueUpload(context, repository, id),
        PUT: () => finishUpload(context, repository, id),
        DELETE: () => cancelUpload(context, repository, id),
      };
    }
  }
}

function readers(handler: Handler): { GET: Handler; HEAD: Handler } {
  return { GET: handler, HEAD: handler };
}
