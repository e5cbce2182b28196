// SPDX-License-Identifier: Apache-2.0
// What an app exports, judged by the programs of a desktop.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import { addImage } from "../support/layout.ts";
import { appRef, makeLayout, ordinaryUser, Sandpit } from "./support.ts";

const id = "org.example.Probe";

function png(size: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const numbers = Buffer.alloc(8);
    numbers.writeUInt32BE(data.length);
    numbers.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([numbers.subarray(0, 4), body, numbers.subarray(4)]);
  };
  const header = Buffer.from([0, 0, size >> 8, size & 255, 0, 0, size >> 8, size & 255, 8, 0, 0, 0, 0]);
  const parts = [
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.alloc((size + 1) * size))),
    chunk("IEND", Buffer.alloc(0)),
  ];
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), ...parts]);
}

const files: Readonly<Record<string, string | Buffer>> = {
  [`applications/${id}.desktop`]: `[Desktop Entry]
Type=Application
Name=Probe
Comment=Tries things
Icon=${id}
Exec=probe --open %U
TryExec=/usr/bin/false
Categories=Utility;
MimeType=application/x-probe;text/plain;
DBusActivatable=true
Actions=new;

[Desktop Action new]
Name=New
Exec=probe --new
`,
  [`dbus-1/services/${id}.service`]: `[D-BUS Service]\nName=${id}\nExec=probe --service\n`,
  [`icons/hicolor/64x64/apps/${id}.png`]: png(64),
  [`icons/hicolor/scalable/apps/${id}.svg`]:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16"><rect width="9" height="9"/></svg>\n',
  [`icons/hicolor/1024x1024/apps/${id}.png`]: png(1024),
  [`mime/packages/${id}.xml`]: `<?xml version="1.0"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="application/x-probe"><comment>Probe</comment><glob pattern="*.probe"/>
    <magic><match type="string" value="x" offset="0"/></magic></mime-type>
</mime-info>
`,
  [`gnome-shell/search-providers/${id}.search-provider.ini`]: `[Shell Search Provider]
DesktopId=${id}.desktop
BusName=${id}
ObjectPath=/org/example/Probe
Version=2
`,
  [`metainfo/${id}.metainfo.xml`]: `<?xml version="1.0" encoding="UTF-8"?>
<component type="desktop-application">
  <id>${id}</id>
  <metadata_license>CC0-1.0</metadata_license>
  <project_license>Apache-2.0</project_license>
  <name>Probe</name>
  <summary>Tries things</summary>
  <description><p>Tries what a sandbox lets through and says so in a form that programs can read.</p></description>
  <launchable type="desktop-id">${id}.desktop</launchable>
  <developer id="org.example"><name>Example</name></developer>
  <url type="homepage">https://example.org/</url>
  <content_rating type="oars-1.1"/>
  <releases><release version="1.0" date="2026-01-01"><description><p>The first one.</p></description></release></releases>
</component>
`,
};

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`exports, installed by ${who}`, () => {
    const pit = new Sandpit(uid);
    const installed = pit.path("home/.local/share/dowel/exports");
    const share = join(installed, "share");
    let said = "";

    beforeAll(() => {
      const layout = makeLayout(pit.path("images"));
      const tree = pit.path("images/tree-app");
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(dirname(join(tree, "export/share", path)), { recursive: true });
        writeFileSync(join(tree, "export/share", path), content);
      }
      addImage(layout, { ref: appRef, metadata: readFileSync(join(tree, "metadata"), "utf8"), tree });
      pit.own(pit.path("images"));
      pit.succeed(["remote-add", "--user", "apps", `oci:${layout}`]);
      const outcome = pit.dowel(["install", "--user", "-y", "apps", id]);
      expect(outcome).toMatchObject({ status: 0 });
      said = outcome.stderr;
    });
    afterAll(() => pit[Symbol.dispose]());

    test("desktop-file-validate and appstreamcli find no fault in them", () => {
      const check = (...words: string[]): void => {
        const [program = "", ...rest] = words;
        const { status, stdout, stderr } = spawnSync(program, rest, { encoding: "utf8" });
        expect({ words, status, stdout, stderr }).toMatchObject({ status: 0 });
      };
      check("desktop-file-validate", join(share, "applications", `${id}.desktop`));
      check("appstreamcli", "validate", "--no-net", join(share, "metainfo", `${id}.metainfo.xml`));
    });

    test("programs of the desktop have made their databases of them", () => {
      const cache = readFileSync(join(share, "applications/mimeinfo.cache"), "utf8");
      expect(cache).toContain(`application/x-probe=${id}.desktop;`);
      expect(readFileSync(join(share, "mime/globs2"), "utf8")).toContain("5:application/x-probe:*.probe");
      expect(readFileSync(join(share, "mime/magic")).toString("latin1")).not.toContain("x-probe");
      expect(existsSync(join(share, "icons/hicolor/icon-theme.cache"))).toBe(true);
      expect(said).not.toContain("has failed");
    });

    test("an icon that is too large is left out, and said so", () => {
      expect(said).toContain(`icons/hicolor/1024x1024/apps/${id}.png, since it is larger than 512 pixels`);
      expect(readdirSync(join(share, "icons/hicolor")).sort()).toEqual(["64x64", "icon-theme.cache", "scalable"]);
    });

    test("commands run the sandbox: of entries, actions, services and in exports/bin", () => {
      const desktop = readFileSync(join(share, "applications", `${id}.desktop`), "utf8");
      const run = `dowel run --branch=stable --arch=${appRef.split("/")[2]}`;
      expect(desktop).toContain(`Exec=${run} --command=probe --file-forwarding ${id} --open @@u %U @@\n`);
      expect(desktop).toContain(`Exec=${run} --command=probe ${id} --new\n`);
      expect(desktop).toContain("DBusActivatable=true");
      expect(desktop).not.toContain("TryExec");
      const service = readFileSync(join(share, "dbus-1/services", `${id}.service`), "utf8");
      expect(service).toContain(`Exec=/usr/bin/env ${run} --command=probe ${id} --service\n`);
      const provider = join(share, "gnome-shell/search-providers", `${id}.search-provider.ini`);
      expect(readFileSync(provider, "utf8")).toContain("DefaultDisabled=true");
      const path = `${join(process.cwd(), "build/bin")}:${pit.environment["PATH"]}`;
      const options = { env: { ...pit.environment, PATH: path }, encoding: "utf8" as const, uid, gid: uid };
      for (const name of [id, "probe"]) {
        expect(execFileSync(join(installed, "bin", name), ["id"], options)).toContain(`"uid":${uid}`);
      }
    });

    test("a session is told where they are", () => {
      const script = '. packaging/session.sh; . packaging/session.sh; echo "$XDG_DATA_DIRS"; echo "$PATH"';
      const env = { ...pit.environment, PATH: "/usr/bin:/bin", DOWEL_SYSTEM_DIR: "/srv/apps" };
      const lines = execFileSync("sh", ["-euc", script], { env, encoding: "utf8" }).trim().split("\n");
      expect(lines).toEqual([
        `${share}:/srv/apps/exports/share:/usr/local/share:/usr/share`,
        `/usr/bin:/bin:${installed}/bin:/srv/apps/exports/bin`,
      ]);
    });

    test("repair finds nothing wrong with them", () => {
      expect(pit.succeed(["repair", "--user", "--dry-run"])).toBe("Everything is sound.\n");
    });

    test("nothing of them is left when the app goes", () => {
      pit.succeed(["uninstall", "--user", "-y", id]);
      expect(readdirSync(installed, { recursive: true })).toEqual([]);
    });
  });
}
