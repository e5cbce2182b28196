// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { silent } from "../../../src/base/events.ts";
import type { Checksums } from "../../../src/builder/manifest/types.ts";
import { fetchOrigin } from "../../../src/builder/sources/download.ts";
import { StateFolder } from "../../../src/builder/state.ts";
import { rejectionOf, TestFolder } from "../support.ts";

const body = Buffer.from("0123456789".repeat(1000));
const sha256 = createHash("sha256").update(body).digest("hex");

/** A server that knows `/good`, `/wrong`, `/ranges` and nothing else. */
async function serve(): Promise<AsyncDisposable & { readonly url: string; readonly requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { range } = request.headers;
    requests.push(`${request.url} ${range ?? ""}`.trim());
    if (request.url === "/wrong") return response.end("something else");
    if (request.url === "/good") return response.end(body);
    if (request.url !== "/ranges") return response.writeHead(404).end();
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? "bytes=0-")?.[1]);
    return response.writeHead(start > 0 ? 206 : 200).end(body.subarray(start));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, requests, [Symbol.asyncDispose]: close };
}

function fetchFrom(folder: TestFolder, urls: readonly string[], checksums: Checksums = { sha256 }): Promise<string> {
  const state = new StateFolder(folder.join("state"));
  const context = { state, excluded: [], report: silent, signal: undefined };
  return fetchOrigin({ kind: "url", urls, checksums }, "file", context);
}

describe("fetchOrigin()", () => {
  test("keeps what it fetched and asks no second time", async () => {
    using folder = new TestFolder();
    await using server = await serve();
    const path = await fetchFrom(folder, [`${server.url}/good`]);
    expect(readFileSync(path).equals(body)).toBe(true);
    expect(path).toBe(folder.join("state/downloads", sha256, "file"));
    await fetchFrom(folder, [`${server.url}/good`]);
    expect(server.requests).toEqual(["/good"]);
  });

  test("refuses content with another checksum and keeps nothing of it", async () => {
    using folder = new TestFolder();
    await using server = await serve();
    const error = await rejectionOf(fetchFrom(folder, [`${server.url}/wrong`]));
    expect(error.code).toBe("SOURCE_INVALID");
    expect(error.message).toContain(`expected sha256 ${sha256}, found `);
    expect(existsSync(folder.join("state/downloads", sha256, "file"))).toBe(false);
    expect(existsSync(folder.join("state/downloads", sha256, "file.part"))).toBe(false);
  });

  test("checks every checksum that is given", async () => {
    using folder = new TestFolder();
    await using server = await serve();
    const error = await rejectionOf(fetchFrom(folder, [`${server.url}/good`], { sha256, sha512: "0".repeat(128) }));
    expect(error.message).toContain("expected sha512 0000");
  });

  test("turns to the mirrors in order", async () => {
    using folder = new TestFolder();
    await using server = await serve();
    await fetchFrom(
      folder,
      ["/gone", "/wrong", "/good"].map((path) => server.url + path),
    );
    expect(server.requests).toEqual(["/gone", "/wrong", "/good"]);
  });

  test("continues a broken transfer where it ended", async () => {
    using folder = new TestFolder();
    await using server = await serve();
    mkdirSync(folder.join("state/downloads", sha256), { recursive: true });
    folder.write(`state/downloads/${sha256}/file.part`, body.subarray(0, 4000));
    const path = await fetchFrom(folder, [`${server.url}/ranges`]);
    expect(readFileSync(path).equals(body)).toBe(true);
    expect(server.requests).toEqual(["/ranges bytes=4000-"]);
  });

  test("says what the server answered", async () => {
    using folder = new TestFolder();
    await using server = await serve();
    const error = await rejectionOf(fetchFrom(folder, [`${server.url}/gone`]));
    expect([error.code, error.message]).toEqual([
      "SOURCE_FETCH",
      `Cannot fetch ${server.url}/gone: the server answers 404`,
    ]);
  });

  test("decodes data: addresses", async () => {
    using folder = new TestFolder();
    expect(readFileSync(await fetchFrom(folder, ["data:text/plain;base64,aGk="], {}), "utf8")).toBe("hi");
    expect(readFileSync(await fetchFrom(folder, ["data:,a%20b"], {}), "utf8")).toBe("a b");
  });
});
