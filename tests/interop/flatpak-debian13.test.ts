// SPDX-License-Identifier: Apache-2.0
// Debian 13's flatpak (1.16) as a client of Dowel's registry, and as a maker of images for Dowel.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { runtimeRef, Sandpit, startRegistry } from "../e2e/support.ts";
import { insideOf, prepareDebian13 } from "./debian13.ts";
import { baseRef, makeBase } from "./programs.ts";

const arch = runtimeRef.split("/")[2] ?? "";
const id = "org.example.Hello";
const pit = new Sandpit();
const problem = await prepareDebian13();
let registry: Awaited<ReturnType<typeof startRegistry>>;
let namespace = "";

const icon = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAQMAAACQp+OdAAAAA1BMVEUAAP+KeNJXAAAAD0lEQVR4nGNgGAWjYMABAAMAAAHyPqcVAAAAAElFTkSuQmCC",
  "base64",
);

const manifest = `id: ${id}
branch: stable
runtime: org.example.Base
runtime-version: "1"
sdk: org.example.Base
command: hello
modules:
  - name: hello
    buildsystem: simple
    build-commands:
      - install -D -m 755 hello.sh /app/bin/hello
      - install -D -m 644 data /app/share/data
      - install -D -m 644 icon.png /app/share/icons/hicolor/64x64/apps/${id}.png
      - install -D -m 644 app.xml /app/share/metainfo/${id}.metainfo.xml
      - install -D -m 644 app.desktop /app/share/applications/${id}.desktop
    sources:
      - {type: inline, dest-filename: hello.sh, contents: "#!/bin/sh\\ncat /app/share/data\\necho $FLATPAK_ID $1\\n"}
      - {type: inline, dest-filename: data, contents: "first\\n"}
      - {type: file, path: icon.png}
      - {type: inline, dest-filename: app.xml, contents: "<component type='desktop-application'><id>${id}</id><name>Hello</name><summary>Says hello</summary></component>"}
      - {type: inline, dest-filename: app.desktop, contents: "[Desktop Entry]\\nType=Application\\nName=Hello\\nExec=hello\\nIcon=${id}\\n"}
`;

/** Output goes to a file: helpers that the bus starts would hold a pipe open after flatpak has ended. */
function flatpak(...words: readonly string[]): string {
  const environment = {
    ...{ PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8", HOME: pit.path("theirs/home") },
    ...{ XDG_RUNTIME_DIR: pit.path("theirs/run"), FLATPAK_USER_DIR: pit.path("theirs/user") },
    FLATPAK_SYSTEM_DIR: pit.path("theirs/system"),
  };
  const said = pit.path("theirs/said");
  const all = ["sh", "-c", 'exec "$@" > "$0" 2>&1', said, ...insideOf(pit.path("theirs"), ["flatpak", ...words])];
  const [program = "", ...rest] = all;
  const { status } = spawnSync(program, rest, { env: environment, stdio: "ignore" });
  const text = readFileSync(said, "utf8");
  if (status !== 0) throw new Error(`flatpak ${words.join(" ")} ended with ${status}\n${text}`);
  return text;
}

beforeAll(async () => {
  for (const name of ["home", "run", "user", "system"]) mkdirSync(pit.path("theirs", name), { recursive: true });
  await makeBase(pit.path("layout"));
  pit.succeed(["install", "--user", "-y", `oci:${pit.path("layout")}`]);
  registry = await startRegistry(pit, pit.path("registry"));
  namespace = `oci+http://${registry.address}/apps`;
  pit.succeed(["push", baseRef, namespace]);
  writeFileSync(pit.path("work/icon.png"), icon);
  writeFileSync(pit.path("work/app.yml"), manifest);
  pit.succeed(["build", "app.yml", "--output=oci:built", `--push=${namespace}`]);
});
afterAll(async () => {
  await registry.stop();
  pit[Symbol.dispose]();
});

/** Files below a folder whose names end in some way. */
function below(folder: string, end: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(end));
}

describe.skipIf(problem !== undefined)(`flatpak 1.16 of Debian 13 (${problem ?? "at hand"})`, () => {
  test("lists, installs and runs what build pushed", () => {
    expect(flatpak("--version")).toMatch(/Flatpak 1\.16\./);
    flatpak("remote-add", "--user", "--no-gpg-verify", "dowel", namespace);
    expect(flatpak("remote-ls", "--user", "--columns=ref", "dowel")).toContain(`${id}/${arch}/stable`);
    flatpak("install", "--user", "-y", "--noninteractive", "dowel", id);
    expect(flatpak("list", "--user", "--columns=ref")).toContain(baseRef.slice("runtime/".length));
    expect(flatpak("run", id, "there")).toContain(`first\n${id} there\n`);
  });

  test("takes AppStream data and icons out of the index", () => {
    flatpak("update", "--user", "--appstream", "dowel");
    const folder = pit.path("theirs/user/appstream");
    const [data = ""] = below(folder, "appstream.xml.gz");
    expect(gunzipSync(readFileSync(join(folder, data))).toString()).toContain("<summary>Says hello</summary>");
    const [shown = ""] = below(folder, `64x64/${id}.png`);
    expect(readFileSync(join(folder, shown))).toEqual(icon);
  });

  test("updates to what is pushed later", () => {
    writeFileSync(pit.path("work/app.yml"), manifest.replace("first", "second"));
    pit.succeed(["build", "app.yml", "--output=oci:built", `--push=${namespace}`]);
    flatpak("update", "--user", "-y", "--noninteractive");
    expect(flatpak("run", id, "there")).toContain("second\n");
  });

  test("makes an image that is installed and run here", () => {
    using user = new Sandpit();
    const app = pit.path("theirs/app");
    mkdirSync(join(app, "files/bin"), { recursive: true });
    const base = baseRef.slice("runtime/".length);
    const metadata = `[Application]\nname=org.example.Theirs\nruntime=${base}\nsdk=${base}\ncommand=hello\n`;
    writeFileSync(join(app, "metadata"), metadata);
    writeFileSync(join(app, "files/bin/hello"), '#!/bin/sh\necho "made by flatpak $1"\n', { mode: 0o755 });
    const [repo, bundle] = [pit.path("theirs/repo"), pit.path("theirs/bundle")];
    flatpak("build-finish", app);
    flatpak("build-export", "--disable-sandbox", repo, app, "stable");
    flatpak("build-bundle", "--oci", repo, bundle, "org.example.Theirs", "stable");
    user.succeed(["install", "--user", "-y", `oci:${pit.path("layout")}`]);
    user.succeed(["install", "--user", "-y", `oci:${bundle}`]);
    expect(user.succeed(["run", "org.example.Theirs", "here"])).toBe("made by flatpak here\n");
  });
});
