// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import { join } from "node:path";
import { push } from "../../src/engine/push.ts";
import { inlineThreshold } from "../../src/formats/composefs/model.ts";
import { fsVerityDigest } from "../../src/formats/fsverity/digest.ts";
import { Registry } from "../../src/oci/client/registry.ts";
import { attachTocDeltas } from "../../src/oci/tocdelta.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { deployImage } from "../../src/store/deploy/deploy.ts";
import { LayerStack } from "../../src/store/image/layers.ts";
import { canonicalEntry } from "../../src/store/image/unpack.ts";
import { viewOf } from "../../src/store/image/view.ts";
import { treeAnnotation, treeDigest, viewAnnotation, viewDigest } from "../../src/store/image/voucher.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import { noise } from "../formats/zstd-chunked/support.ts";
import { appMetadata, type TestFolder } from "../store/images.ts";
import { appInputs, appLayer } from "../store/transfer/chunked.ts";
import { addLayers } from "../support/layout.ts";
import { appRef } from "./fixtures.ts";

const ref = appRef("Hello");
/** Names that do not pack well, so that a few files make a large table. */
export const names = Array.from({ length: 340 }, (_, at) => `files/share/${hash("sha512", `${at}`)}`);
export const old = Object.fromEntries(names.map((name, at) => [name, noise(1000, at + 1)]));
export const next = { ...old, [names[160] ?? ""]: noise(900, 2000) };

export const library = "files/lib/libbig.so";
/** A library of which a few bytes everywhere differ between versions, so that no chunk stays the same. */
export function version(number: number): Uint8Array {
  const bytes = noise(600_000, 77);
  for (let at = 0; at < bytes.length; at += 5000) bytes[at] = number;
  return bytes;
}

/** A registry that counts what it sends, with the referrers API or without. */
export class Front implements AsyncDisposable {
  /** Whether it sends parts of blobs. */
  withRanges = true;
  sent = 0;
  asked: string[] = [];
  /** What is waited for before a question, `METHOD PATH`, is answered. */
  before: (line: string) => Promise<void> | undefined = () => undefined;
  readonly #server: Bun.Server<undefined>;
  readonly #registry: Awaited<ReturnType<typeof serveRegistry>>;

  private constructor(registry: Awaited<ReturnType<typeof serveRegistry>>, withReferrers: boolean) {
    this.#registry = registry;
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        const { pathname, search } = new URL(request.url);
        this.asked.push(`${request.method} ${pathname}`);
        await this.before(`${request.method} ${pathname}`);
        if (!withReferrers && pathname.includes("/referrers/")) return new Response("", { status: 404 });
        const body = request.method === "GET" || request.method === "HEAD" ? null : await request.arrayBuffer();
        const { method } = request;
        const headers = new Headers(request.headers);
        if (!this.withRanges) headers.delete("range");
        const url = `${registry.address}${pathname}${search}`;
        const answer = await fetch(url, { method, headers, body, decompress: false });
        const bytes = await answer.arrayBuffer();
        this.sent += bytes.byteLength;
        const passed = new Headers(answer.headers);
        if (!withReferrers) passed.delete("oci-subject");
        const { status } = answer;
        return new Response(method === "HEAD" ? null : bytes, { status, headers: passed });
      },
    });
  }

  static async start(folder: TestFolder, withReferrers: boolean): Promise<Front> {
    const registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
    return new Front(registry, withReferrers);
  }

  get host(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  get repository() {
    return new Registry(`http://${this.host}/`, { credentials: async () => undefined }).repository("org.test.hello");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
    await this.#registry[Symbol.asyncDispose]();
  }
}

export type Files = Parameters<typeof appLayer>[0];

export async function publish(
  folder: TestFolder,
  front: Front,
  name: string,
  files: Files,
  said: Readonly<Record<string, string>> = {},
) {
  const { blob, layer } = await appLayer(files);
  const { annotations, diffId } = layer;
  const made = { mediaType: "application/vnd.oci.image.layer.v1.tar+zstd", data: blob, diffId, annotations };
  const layout = join(folder.path, name);
  addLayers(layout, { ref, metadata: appMetadata("org.test.Hello"), annotations: said }, [made]);
  await push(`oci:${layout}`, `oci+http://${front.host}`);
  return { layer, document: await front.repository.resolve("stable") };
}

export type Published = Awaited<ReturnType<typeof publish>>;

export async function fetched(
  front: Front,
  installation: ReturnType<TestFolder["installation"]>,
  { document }: Published,
) {
  front.sent = 0;
  front.asked = [];
  const image = await importImage(installation, front.repository, document);
  await deployImage(installation, image, { origin: "test", source: front.host });
  const { imageDigest, newObjects } = image;
  return {
    imageDigest,
    newObjects,
    bytes: front.sent,
    deltas: front.asked.filter((line) => line.includes("/referrers/")).length,
  };
}

/** How often something was asked of the only layer of an image. */
export function askedOfLayer(front: Front, { document }: Published): number {
  const { layers } = JSON.parse(Buffer.from(document.bytes).toString()) as {
    readonly layers: readonly { digest: string }[];
  };
  return front.asked.filter((line) => line.endsWith(`/blobs/${layers[0]?.digest}`)).length;
}

export const tableBytes = ({ layer }: Published): number =>
  Number(layer.annotations["io.github.containers.zstd-chunked.manifest-position"]?.split(":")[1]);

type Annotation = typeof treeAnnotation | typeof viewAnnotation;

/** Publishes a layer that the manifest vouches for. */
export async function vouched(
  folder: TestFolder,
  front: Front,
  name: string,
  files: Files,
  by: Annotation = viewAnnotation,
): Promise<Published> {
  const stack = new LayerStack();
  stack.beginLayer();
  for (const { entry, body } of appInputs(files)) {
    const bytes = body instanceof Uint8Array ? body : new Uint8Array(0);
    const digest = Buffer.from(fsVerityDigest(bytes)).toString("hex");
    const inline = bytes.length > 0 && bytes.length <= inlineThreshold ? bytes : undefined;
    stack.add(canonicalEntry(entry, { size: bytes.length, digest, inline }));
  }
  const said = by === treeAnnotation ? treeDigest(stack.root) : viewDigest(viewOf(stack.root, "app", name));
  return await publish(folder, front, name, files, { [by]: said });
}

/** The repository of a registry in which nothing but new deltas hangs on a manifest. */
export async function withDeltas(
  { repository }: Front,
  { descriptor }: Published["document"],
  deltas: Parameters<typeof attachTocDeltas>[2],
): Promise<Front["repository"]> {
  const hung = new Set((await repository.referrers(descriptor.digest)).map(({ digest }) => digest));
  await attachTocDeltas(repository, descriptor, deltas);
  const referrers = async (...words: Parameters<typeof repository.referrers>) =>
    (await repository.referrers(...words)).filter(({ digest }) => !hung.has(digest));
  return Object.create(repository, { referrers: { value: referrers } });
}
