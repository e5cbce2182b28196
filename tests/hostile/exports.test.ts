// SPDX-License-Identifier: Apache-2.0
// Images that install, but not as their makers wish: what is dangerous in them is dropped, and neighbours are left alone.
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { dowelPath, makeLayout, ordinaryUser, Sandpit } from "../e2e/support.ts";
import type { RawEntry } from "./rawtar.ts";
import { addEvil, evilId, expectRefused, listing } from "./support.ts";

const pit = new Sandpit();
const honest = makeLayout(pit.path("images"));
afterAll(() => pit[Symbol.dispose]());

/** Installs the evil app with some entries; answers its folder and what was said. */
function installEvil(
  place: Sandpit,
  entries: readonly RawEntry[],
): { readonly folder: string; readonly installation: string; readonly said: string } {
  const layout = place.path("evil");
  addEvil(layout, { entries });
  place.own(place.folder);
  place.succeed(["install", "--user", "-y", "--or-update", `oci:${honest}`, "org.example.Platform"]);
  const { status, stderr } = place.dowel(["install", "--user", "-y", `oci:${layout}`, evilId]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.any(String) });
  const installation = place.path("home/.local/share/dowel");
  return { folder: join(installation, "app", evilId, "current/active"), installation, said: stderr };
}

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`installed by ${who}`, () => {
    test("files lose setuid, setgid, sticky and write bits, and their owner (CVE-2017-9780)", () => {
      using place = new Sandpit(uid);
      const { folder, installation } = installEvil(place, [
        { name: "files/setuid", mode: 0o4755, uid: 0, content: "setuid" },
        { name: "files/setgid", mode: 0o2777, uid: 1000, content: "setgid" },
        { name: "files/open", mode: 0o666, uid: 1000, content: "open to all" },
        { name: "files/shut", mode: 0, content: "shut for all" },
        { name: "files/folder/", type: "5", mode: 0o1777, uid: 1000 },
        { name: "files/hidden/", type: "5", mode: 0 },
      ]);
      const modes = readdirSync(join(folder, "files")).map((name) => {
        const { mode, uid: owner } = lstatSync(join(folder, "files", name));
        return [name, (mode & 0o7777).toString(8), owner];
      });
      const shown = uid;
      expect(modes.sort()).toEqual([
        ["bin", "755", shown],
        ["folder", "755", shown],
        ["hidden", "755", shown],
        ["open", expect.stringMatching(/^[46]44$/), shown],
        ["setgid", expect.stringMatching(/^[57]55$/), shown],
        ["setuid", expect.stringMatching(/^[57]55$/), shown],
        ["shut", expect.stringMatching(/^[46]44$/), shown],
      ]);
      for (const name of readdirSync(installation, { recursive: true, encoding: "utf8" })) {
        const found = lstatSync(join(installation, name));
        if (found.isSymbolicLink()) continue;
        expect([name, found.mode & 0o6022, found.uid]).toEqual([name, 0, uid]);
      }
    });
  });
}

describe("what an image exports", () => {
  const desktop = (exec: string, more = ""): string =>
    `[Desktop Entry]\nType=Application\nName=Evil\nExec=${exec}\n${more}`;

  function exportDesktop(exec: string, more = ""): { readonly text: string | undefined; readonly said: string } {
    using place = new Sandpit();
    const content = desktop(exec, more);
    const name = `share/applications/${evilId}.desktop`;
    const { installation, said } = installEvil(place, [{ name: `export/${name}`, content }]);
    const path = join(installation, "exports", name);
    return { text: existsSync(path) ? readFileSync(path, "utf8") : undefined, said };
  }

  test("must not have @@ words of its own in a command (CVE-2021-21381)", () => {
    using place = new Sandpit();
    place.succeed(["install", "--user", "-y", `oci:${honest}`, "org.example.Platform"]);
    const before = listing(place.path("home/.local/share/dowel"));
    for (const exec of ["probe @@ /etc/passwd @@", "probe @@u file:///etc/passwd @@", "probe '@@' x '@@'"]) {
      addEvil(place.path("evil"), {
        entries: [{ name: `export/share/applications/${evilId}.desktop`, content: desktop(exec) }],
      });
      const outcome = place.dowel(["install", "--user", "-y", `oci:${place.path("evil")}`, evilId]);
      expectRefused(outcome, "EXPORT_INVALID", "@@", `${evilId}.desktop`);
      expect(listing(place.path("home/.local/share/dowel"))).toEqual(before);
    }
  });

  test("starts the sandbox in every command of a desktop file, and nothing else", () => {
    const action = "Actions=Bad;\n[Desktop Action Bad]\nName=Bad\nExec=/bin/sh -c 'touch /tmp/x'\n";
    const { text = "" } = exportDesktop(
      "sh -c 'id > /tmp/pwned; rm -rf ~'",
      `TryExec=/bin/sh\nDBusActivatable=false\n${action}`,
    );
    const commands = text.split("\n").filter((line) => /^(Try)?Exec/.test(line));
    expect(commands.length).toBeGreaterThanOrEqual(2);
    for (const command of commands) {
      if (command.startsWith("Exec=")) expect(command).toMatch(/^Exec=\S+ run .*org\.example\.Evil/);
      else expect(command).not.toContain("/bin/sh");
    }
  });

  test("is only what the id allows, no link, and nothing of another app", () => {
    using place = new Sandpit();
    place.succeed(["install", "--user", "-y", `oci:${honest}`, "org.example.Probe"]);
    const before = listing(place.path("home/.local/share/dowel/exports"));
    const service = (name: string): string => `[D-BUS Service]\nName=${name}\nExec=probe\n`;
    const { installation } = installEvil(place, [
      { name: "export/share/applications/org.example.Probe.desktop", content: desktop("probe") },
      { name: "export/share/applications/mimeapps.list", content: "[Default Applications]\ntext/html=x.desktop\n" },
      { name: `export/share/applications/${evilId}.desktop`, type: "2", link: "/etc/passwd" },
      {
        name: `export/share/icons/hicolor/64x64/apps/${evilId}.png`,
        type: "2",
        link: "../../../../../../../../../../etc/shadow",
      },
      {
        name: "export/share/dbus-1/services/org.freedesktop.portal.Desktop.service",
        content: service("org.freedesktop.portal.Desktop"),
      },
      { name: "export/share/dbus-1/system-services/x.service", content: service("org.x") },
      { name: "export/bin/sudo", mode: 0o755, content: "#!/bin/sh\n" },
      { name: "export/etc/profile.d/x.sh", content: "id\n" },
    ]);
    expect(readdirSync(join(installation, "exports/bin")).sort()).toEqual([evilId, "org.example.Probe", "probe"]);
    // Both have a command of that name.
    expect(readlinkSync(join(installation, "exports/bin/probe"))).toContain("/org.example.Probe/");
    const after = listing(join(installation, "exports"));
    const mine = after.filter((row) => !before.includes(row) && !row.includes(" 40755 "));
    expect(mine.map((row) => row.split(" ")[0])).toEqual([`bin/${evilId}`]);
    for (const row of before) expect(after).toContain(row);
  });

  test("has no icon that is a bomb, reads files of the host, or is something else than its name says", () => {
    using place = new Sandpit();
    const nested = Array.from({ length: 20 }, (_, at) => `<g id="g${at + 1}">${`<use href="#g${at}"/>`.repeat(9)}</g>`);
    const icons: Readonly<Record<string, string | Buffer>> = {
      "bomb.svgz": gzipSync(Buffer.alloc(300 * 1024 * 1024)),
      "laughs.svg": `<svg><g id="g0"/>${nested.join("")}<use href="#g20"/></svg>`,
      "entities.svg": '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>',
      "script.svg": "<svg><script>alert(1)</script></svg>",
      "huge.png": Buffer.from("89504e470d0a1a0a0000000d4948445200100000001000000800000000", "hex"),
      "elf.png": Buffer.from("7f454c46".repeat(40), "hex"),
    };
    const { installation, said } = installEvil(
      place,
      Object.entries(icons).map(([name, content]) => ({
        name: `export/share/icons/hicolor/scalable/apps/${evilId}.${name}`,
        content,
      })),
    );
    expect(existsSync(join(installation, "exports/share/icons"))).toBe(false);
    for (const name of Object.keys(icons))
      expect(said).toContain(`Not exported: share/icons/hicolor/scalable/apps/${evilId}.${name}`);
  });

  test("does not follow links of the image when it is shown", () => {
    using place = new Sandpit();
    const { folder } = installEvil(place, [
      { name: "files/etc", type: "2", link: "/etc" },
      { name: "files/up", type: "2", link: "../../../../../../../.." },
    ]);
    expect(lstatSync(join(folder, "files/etc")).isSymbolicLink()).toBe(true);
    expect(lstatSync(join(folder, "files/up")).isSymbolicLink()).toBe(true);
    const shown = realpathSync(join(folder, "files"));
    expect([place.folder, "/run/dowel/images"].some((root) => shown.startsWith(root))).toBe(true);
    expect(statSync(join(folder, "files/bin/probe")).size).toBe(10);
  });
});

test("words of an app never reach a terminal as control sequences (CVE-2023-28101)", () => {
  using place = new Sandpit();
  const name = "\u001b[2J\u001b]0;owned\u0007\u202eEvil";
  const desktop = `[Desktop Entry]\nType=Application\nName=${name}\nComment=${name}\nExec=probe\n`;
  installEvil(place, [{ name: `export/share/applications/${evilId}.desktop`, content: desktop }]);
  for (const words of ["list --columns=all", "list", `info ${evilId}`, `info -m ${evilId}`, "list --json"]) {
    const said = spawnSync("script", ["-qec", `${dowelPath} ${words}`, "/dev/null"], {
      env: { ...place.environment, TERM: "xterm" },
      encoding: "utf8",
    });
    expect([words, said.status]).toEqual([words, 0]);
    expect([words, said.stdout]).not.toEqual([words, expect.stringMatching(/\u001b\[2J|\u001b\]|\u0007|\u202e/)]);
  }
});

test("whiteouts hide nothing outside of their image, and never what their own layer brings", () => {
  using place = new Sandpit();
  const { folder } = installEvil(place, [
    { name: "files/kept", content: "kept" },
    { name: "files/.wh.kept" },
    { name: "files/.wh..wh..opq" },
    { name: ".wh.usr" },
  ]);
  expect(readdirSync(join(folder, "files")).sort()).toEqual(["bin", "kept"]);
});
