// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { refreshAppstream } from "../../../src/engine/appstream.ts";
import { push } from "../../../src/engine/push.ts";
import { serveRegistry } from "../../../src/registry/server.ts";
import { addRemote } from "../../../src/remotes/config.ts";
import { addSample, appRef, arch, platform, recorder } from "../../engine/fixtures.ts";
import { TestFolder } from "../../store/images.ts";

const png = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xd, 0xa, 0x1a, 0xa]), Buffer.from("picture")]);
const icon = `data:image/png;base64,${png.toString("base64")}`;
const label = "org.freedesktop.appstream.appdata";

function component(id: string, more = ""): string {
  return `<?xml version="1.0"?><component type="desktop-application"><id>${id}</id><name>${id} &amp; more</name>${more}</component>`;
}

/** A layout with a good app, and others whose data are not fit for others' eyes. */
function samples(layout: string): void {
  const own = `<icon type="stock">x</icon><bundle type="flatpak">app/org.evil.App/x/y</bundle>`;
  const good = { [label]: component("org.test.Good", own), "org.freedesktop.appstream.icon-64": icon };
  addSample(layout, { ref: appRef("Good"), labels: good });
  addSample(layout, { ref: appRef("Other"), labels: { [label]: component("org.test.Good") } });
  addSample(layout, { ref: appRef("Broken"), labels: { [label]: "<component><id>org.test.Broken</component>" } });
  const bomb = `<!DOCTYPE c [<!ENTITY a "b">]>${component("org.test.Bomb", "&a;")}`;
  addSample(layout, {
    ref: appRef("Bomb"),
    labels: { [label]: bomb, "org.freedesktop.appstream.icon-64": "data:text/html,x" },
  });
  addSample(layout, { ref: appRef("Silent") });
  addSample(layout, { ref: platform });
}

function checkWritten(store: string): void {
  const folder = join(store, "appstream/demo", arch);
  const text = gunzipSync(readFileSync(join(folder, "appstream.xml.gz"))).toString("utf8");
  const script = `import sys,xml.etree.ElementTree as E
for c in E.fromstring(sys.stdin.buffer.read()):
  print(c.find("id").text, c.find("name").text, [b.text for b in c.findall("bundle")], [i.text for i in c.findall("icon")])`;
  const read = execFileSync("python3", ["-c", script], { input: text, encoding: "utf8" });
  expect(read).toBe(`org.test.Good org.test.Good & more ['${appRef("Good")}'] ['org.test.Good.png']\n`);
  expect(text).toContain('origin="demo"');
  expect(text).toContain(`runtime="org.test.Platform/${arch}/1"`);
  expect(readFileSync(join(folder, "icons/64x64/org.test.Good.png"))).toEqual(png);
  expect(existsSync(join(folder, "icons/64x64/org.test.Bomb.png"))).toBe(false);
}

test("refreshAppstream() writes a catalog of what speaks for itself, from labels", async () => {
  using folder = new TestFolder();
  const layout = join(folder.path, "layout");
  samples(layout);
  const store = folder.installation();
  await addRemote(store, "demo", { url: `oci:${layout}` });
  const { events, report } = recorder();
  await refreshAppstream([store], { remote: "demo", arch: undefined, report });
  checkWritten(store.path);
  const warnings = events.flatMap((event) => (event.type === "warning" ? [event.text] : []));
  expect(warnings.map((text) => text.split(" ")[0]).sort()).toEqual(["org.test.Bomb", "org.test.Broken"]);
});

test("refreshAppstream() takes data and icons from a namespace's catalogue, each once", async () => {
  using folder = new TestFolder();
  const layout = join(folder.path, "layout");
  samples(layout);
  await using server = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  await push(`oci:${layout}`, `${server.address.replace("http", "oci+http")}/apps`, { catalogue: true });
  const requests: string[] = [];
  // A registry without an index: as most are.
  const front = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      const { pathname, search } = new URL(request.url);
      requests.push(pathname);
      if (!pathname.startsWith("/v2/")) return new Response("", { status: 404 });
      return fetch(server.address + pathname + search, { method: request.method, headers: request.headers });
    },
  });
  try {
    const store = folder.installation();
    await addRemote(store, "demo", { url: `oci+http://127.0.0.1:${front.port}/apps` });
    const ask = { remote: undefined, arch: undefined, report: recorder().report };
    await refreshAppstream([store], ask);
    checkWritten(store.path);
    requests.length = 0;
    await refreshAppstream([store], ask);
    checkWritten(store.path);
    expect(requests).toEqual(["/v2/apps/catalogue/manifests/latest"]);
  } finally {
    await front.stop(true);
  }
});

test("refreshAppstream() leaves what is there when the remote does not answer", async () => {
  using folder = new TestFolder();
  const layout = join(folder.path, "layout");
  samples(layout);
  const store = folder.installation();
  await addRemote(store, "demo", { url: `oci:${layout}` });
  await refreshAppstream([store], { remote: "demo", arch: undefined });
  execFileSync("rm", ["-r", layout]);
  await expect(refreshAppstream([store], { remote: "demo", arch: undefined })).rejects.toMatchObject({
    code: "OCI_LAYOUT_INVALID",
  });
  checkWritten(store.path);
  await expect(refreshAppstream([store], { remote: "other", arch: undefined })).rejects.toMatchObject({
    code: "REMOTE_NOT_FOUND",
  });
});
