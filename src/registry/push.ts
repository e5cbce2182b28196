// SPDX-License-Identifier: Apache-2.0
import { isRepositoryName } from "../oci/reference.ts";
import { Failure } from "./failure.ts";
import { bodyOf, type Context } from "./request.ts";
import { requireDigest } from "./routes.ts";
import { rangeOf } from "./uploads.ts";

/** POST: mounts a blob, takes one whole, or begins an upload. */
export async function beginUpload(context: Context, repository: string): Promise<Response> {
  const { searchParams } = context.url;
  const mount = searchParams.get("mount");
  const from = searchParams.get("from") ?? "";
  if (mount !== null && isRepositoryName(from)) {
    const digest = requireDigest(mount);
    if (await context.store.mount(repository, digest, from)) return created(repository, digest);
  }
  const digest = searchParams.has("digest") ? requireDigest(searchParams.get("digest")) : undefined;
  const { uploads } = context.store;
  const id = await uploads.begin(repository);
  if (digest === undefined) return standing(repository, id, 0, 202);
  try {
    await uploads.append(repository, id, bodyOf(context));
    await uploads.finish(repository, id, digest);
  } catch (error) {
    await uploads.cancel(repository, id).catch(() => undefined);
    throw error;
  }
  return created(repository, digest);
}

/** PATCH: takes the next piece. */
export async function continueUpload(context: Context, repository: string, id: string): Promise<Response> {
  const size = await context.store.uploads.append(repository, id, bodyOf(context), pieceStart(context));
  return standing(repository, id, size, 202);
}

/** PUT: takes the last piece, if any, and checks the digest. */
export async function finishUpload(context: Context, repository: string, id: string): Promise<Response> {
  const digest = requireDigest(context.url.searchParams.get("digest"));
  const { uploads } = context.store;
  await uploads.append(repository, id, bodyOf(context), pieceStart(context));
  await uploads.finish(repository, id, digest);
  return created(repository, digest);
}

export async function uploadStatus({ store }: Context, repository: string, id: string): Promise<Response> {
  return standing(repository, id, await store.uploads.position(repository, id), 204);
}

export async function cancelUpload({ store }: Context, repository: string, id: string): Promise<Response> {
  await store.uploads.cancel(repository, id);
  return new Response(null, { status: 204 });
}

/** Where `Content-Range: START-END` says that the piece belongs. */
function pieceStart({ request }: Context): number | undefined {
  const header = request.headers.get("content-range");
  if (header === null) return undefined;
  const [, start, end] = /^(?:bytes[ =])?([0-9]{1,16})-([0-9]{1,16})(?:\/.*)?$/.exec(header) ?? [];
  const length = request.headers.get("content-length");
  const wrong = start === undefined || end === undefined || Number(end) < Number(start);
  if (wrong || (length !== null && Number(length) !== Number(end) - Number(start) + 1)) {
    throw new Failure("BLOB_UPLOAD_INVALID", "Content-Range must be START-END and fit the body", {}, 416);
  }
  return Number(start);
}

function standing(repository: string, id: string, size: number, status: number): Response {
  return new Response(null, {
    status,
    headers: {
      location: `/v2/${repository}/blobs/uploads/${id}`,
      range: rangeOf(size),
      "docker-upload-uuid": id,
      "oci-chunk-min-length": "0",
    },
  });
}

function created(repository: string, digest: string): Response {
  const location = `/v2/${repository}/blobs/${digest}`;
  return new Response(null, { status: 201, headers: { location, "docker-content-digest": digest } });
}
