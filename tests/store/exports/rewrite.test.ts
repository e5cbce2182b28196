// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { parseKeyfile } from "../../../src/formats/keyfile/parse.ts";
import { rewriteMime } from "../../../src/store/exports/mime.ts";
import {
  type Exporter,
  rewriteDesktop,
  rewriteSearchProvider,
  rewriteService,
} from "../../../src/store/exports/rewrite.ts";

const ref = { kind: "app", id: "org.test.App", arch: "x86_64", branch: "stable" } as const;
const exporter: Exporter = { ref, tags: ["a", "b"], previousIds: [], services: new Set() };
const run = "dowel run --branch=stable --arch=x86_64";

function desktop(text: string, more: Partial<Exporter> = {}): string {
  return rewriteDesktop(Buffer.from(text), "app.desktop", "org.test.App", { ...exporter, ...more });
}

test("rewriteDesktop() makes all commands run in the sandbox and leaves the rest as it is", () => {
  const text = `# kept
[Desktop Entry]
Name=App
Name[de]=Programm
TryExec=/usr/bin/app
Exec=app %U
Exec[de]=evil
X-GNOME-Bugzilla-ExtraInfoScript=/x
X-KDE-PluginInfo-EnabledByDefault=true
X-Flatpak-RunOptions=no-a11y-bus;

[Desktop Action new]
Exec=app --new
`;
  expect(desktop(text)).toBe(`# kept
[Desktop Entry]
Name=App
Name[de]=Programm
X-KDE-PluginInfo-EnabledByDefault=false
Exec=${run} --no-a11y-bus --command=app --file-forwarding org.test.App @@u %U @@
X-Flatpak=org.test.App
X-Flatpak-Tags=a;b;

[Desktop Action new]
Exec=${run} --command=app org.test.App --new
`);
});

test("rewriteDesktop() leaves no second Exec or X-Flatpak line that another reader could take", () => {
  const text =
    "[Desktop Entry]\nExec=/bin/evil\nX-Flatpak=org.other.App\nExec=good\nX-Flatpak=org.other.App\n[Desktop Entry]\nExec=/bin/evil\n";
  const result = desktop(text);
  expect(result).not.toContain("/bin/evil\n");
  expect(result.match(/^Exec=/gm)).toHaveLength(1);
  expect(result.match(/^X-Flatpak=/gm)).toEqual(["X-Flatpak="]);
  expect(parseKeyfile(result, "result").get("Desktop Entry", "X-Flatpak")).toBe("org.test.App");
});

test("rewriteDesktop() lets a desktop wait for a service only where the app exports it", () => {
  const text = "[Desktop Entry]\nExec=app\nDBusActivatable=true\n";
  expect(desktop(text)).toContain("DBusActivatable=false\n");
  expect(desktop(text, { services: new Set(["org.test.App.Other"]) })).toContain("DBusActivatable=false\n");
  expect(desktop(text, { services: new Set(["org.test.App"]) })).toContain("DBusActivatable=true\n");
});

test("rewriteDesktop() tells which entries it follows, those of earlier ids too, each once", () => {
  const text = "[Desktop Entry]\nExec=app\nX-Flatpak-RenamedFrom=old.desktop;org.test.Old.desktop;\n";
  const previousIds = ["org.test.Old", "org.test.Older"];
  expect(desktop(text, { previousIds })).toContain(
    "X-Flatpak-RenamedFrom=old.desktop;org.test.Old.desktop;org.test.Older.desktop;\n",
  );
  expect(desktop("[Desktop Entry]\nExec=app\n")).not.toContain("RenamedFrom");
});

test("rewriteService() refuses a name that is not the file's", () => {
  const text = "[D-BUS Service]\nName=org.freedesktop.Notifications\nExec=app\n";
  const act = () => rewriteService(Buffer.from(text), "org.test.App.service", "org.test.App", exporter);
  expect(act).toThrow(expect.objectContaining({ code: "EXPORT_INVALID" }));
});

test("rewriteService() keeps one name and runs the command in the sandbox", () => {
  const text = "[D-BUS Service]\nName=org.other.Name\nName=org.test.App\nExec=app --service\n";
  expect(rewriteService(Buffer.from(text), "f", "org.test.App", exporter)).toBe(
    `[D-BUS Service]\nName=org.test.App\nExec=/usr/bin/env ${run} --command=app org.test.App --service\n`,
  );
});

test("rewriteService() keeps nothing that names units or users of the host", () => {
  const text =
    "[D-BUS Service]\nName=org.test.App\nExec=app\nSystemdService=sshd.service\nUser=root\nExec[de]=x\n[Unit]\nExec=y\n";
  expect(rewriteService(Buffer.from(text), "f", "org.test.App", exporter)).toBe(
    `[D-BUS Service]\nName=org.test.App\nExec=/usr/bin/env ${run} --command=app org.test.App\n`,
  );
});

test("rewriteSearchProvider() disables the provider by default", () => {
  const text = "[Shell Search Provider]\nBusName=org.test.App\nDefaultDisabled=false\n";
  expect(rewriteSearchProvider(Buffer.from(text), "f")).toContain("DefaultDisabled=true\n");
});

test("rewriteMime() takes magic out and lowers the weight of patterns", () => {
  const text = `<?xml version="1.0"?>
<mime-info xmlns="x"><!-- c -->
<mime-type type="a/b"><comment>B</comment><magic priority="90"><match type="string" value="x" offset="0"/></magic>
<glob pattern="*.b" weight="100"/><glob pattern='*.c'></glob><treemagic/></mime-type></mime-info>
`;
  expect(rewriteMime(Buffer.from(text), "f")).toBe(`<?xml version="1.0"?>
<mime-info xmlns="x"><!-- c -->
<mime-type type="a/b"><comment>B</comment>
<glob pattern="*.b" weight="5"/><glob pattern='*.c' weight="5"></glob></mime-type></mime-info>
`);
});

test.each([
  ["another root", "<x/>"],
  ["something else in the root", "<mime-info><magic/></mime-info>"],
  ["a doctype", '<!DOCTYPE a [<!ENTITY b "c">]><mime-info/>'],
  ["CDATA", "<mime-info><mime-type><![CDATA[<magic>]]></mime-type></mime-info>"],
  ["a wrong end", "<mime-info><mime-type></mime-info></mime-type>"],
  ["no end", "<mime-info><mime-type>"],
  ["a lone <", "<mime-info> < </mime-info>"],
  ["bytes that are no text", "\xff"],
])("rewriteMime() refuses %s", (_, text) => {
  expect(() => rewriteMime(Buffer.from(text, "latin1"), "f")).toThrow(
    expect.objectContaining({ code: "EXPORT_INVALID" }),
  );
});
