// SPDX-License-Identifier: Apache-2.0
// Permissions through the compiled program: overrides, what info says of them, and what the sandbox then shows.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dowelPath, makeLayout, ordinaryUser, Sandpit } from "./support.ts";

const id = "org.example.Probe";
const context = "[Context]\nshared=network;ipc;\nfilesystems=~/docs:ro;\nfeatures=multiarch;\n[Environment]\nOWN=1\n";

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`permissions for ${who}`, () => {
    const pit = new Sandpit(uid);
    const kept = pit.path("home/docs/letter");

    function read(path: string, ...options: string[]): Record<string, unknown> {
      return JSON.parse(pit.succeed(["run", ...options, id, "files", path]));
    }

    function variables(...options: string[]): Record<string, string> {
      return JSON.parse(pit.succeed(["run", ...options, id, "env"])).variables;
    }

    beforeAll(() => {
      const layout = makeLayout(pit.path("images"), { context });
      mkdirSync(pit.path("home/docs"));
      writeFileSync(kept, "kept");
      pit.own(pit.path("images"));
      pit.own(pit.path("home"));
      pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
    });
    afterAll(() => pit[Symbol.dispose]());

    test("override changes the next start, also a warm one, and --reset takes it back", () => {
      expect(read(kept)).toMatchObject({ content: "kept", write: "EROFS" });
      pit.succeed(["override", "--user", "--filesystem=~/docs", "--env=OWN=2", id]);
      expect(read(kept)).toMatchObject({ content: "kept", write: "OK" });
      expect(variables()["OWN"]).toBe("2");
      pit.succeed(["override", "--user", "--nofilesystem=host:reset", id]);
      expect(read(kept)).toMatchObject({ stat: "ENOENT" });
      expect(variables("--env=OWN=3")["OWN"]).toBe("3");
      pit.succeed(["override", "--user", "--reset", id]);
      expect(variables()["OWN"]).toBe("1");
      expect(read(kept)).toMatchObject({ content: "kept", write: "EROFS" });
    });

    test("override for all apps comes before an app's own, and files that are links are followed", () => {
      pit.succeed(["override", "--user", "--env=A=all", "--env=B=all"]);
      pit.succeed(["override", "--user", "--env=B=own", id]);
      expect(variables()).toMatchObject({ A: "all", B: "own" });
      expect(pit.succeed(["override", "--user", "--show"])).toBe("[Environment]\nA=all\nB=all\n");
      expect(pit.succeed(["override", "--user", "--show", id])).toBe("[Environment]\nB=own\n");
      const overrides = pit.path("home/.local/share/dowel/overrides");
      pit.succeed(["override", "--user", "--reset"]);
      writeFileSync(pit.path("work/mine"), "[Environment]\nA=first\n");
      symlinkSync(pit.path("work/mine"), `${overrides}/global`);
      expect(variables()["A"]).toBe("first");
      writeFileSync(pit.path("work/mine"), "[Environment]\nA=second one\n");
      expect(variables()["A"]).toBe("second one");
      pit.succeed(["override", "--user", "--reset"]);
      pit.succeed(["override", "--user", "--reset", id]);
    });

    test("override refuses what is malformed and changes nothing", () => {
      for (const [words, code] of [
        [["--filesystem=/a\u001b[0m", id], "PERMISSION_INVALID"],
        [["--socket=nonsense", id], "PERMISSION_INVALID"],
        [["--share=network", "../../x"], "REF_INVALID"],
        [[id], "USAGE"],
      ] as const) {
        const { status, stderr } = pit.dowel(["override", "--user", ...words]);
        expect({ words, status, stderr }).toEqual({ words, status: 1, stderr: expect.stringContaining(code) });
        expect(stderr).not.toContain("\u001b[0m");
      }
      expect(pit.succeed(["override", "--user", "--show", id])).toBe("");
    });

    test("an overrides file with a mistake stops the start and is named", () => {
      writeFileSync(pit.path("home/.local/share/dowel/overrides", id), "[Context]\nsockets=a:b:c:d;\n");
      const { status, stderr } = pit.dowel(["run", id, "exit", "0"]);
      expect(status).toBe(1);
      expect(stderr).toContain(`overrides/${id}`);
      pit.succeed(["override", "--user", "--reset", id]);
      expect(pit.dowel(["run", id, "exit", "0"]).status).toBe(0);
    });

    test("info prints permissions with overrides, flattened", () => {
      pit.succeed([
        "override",
        "--user",
        "--unshare=ipc",
        "--device-if=all:!has-wayland",
        "--no-talk-name=org.a.B",
        id,
      ]);
      expect(pit.succeed(["info", "--show-permissions", id])).toBe(
        "[Context]\nshared=network;\ndevices=all;if:all:!has-wayland;\nfeatures=multiarch;\nfilesystems=~/docs:ro;\n\n" +
          "[Environment]\nOWN=1\n",
      );
      pit.succeed(["override", "--user", "--reset", id]);
    });

    test("info --profile tells of one profile of an app", () => {
      pit.succeed(["override", "--user", "--profile=work", "--unshare=network", id]);
      const shared = (...words: string[]) =>
        /^shared=.*$/m.exec(pit.succeed(["info", "--show-permissions", ...words, id]))?.[0];
      expect([shared(), shared("--profile=work")]).toEqual(["shared=ipc;network;", "shared=ipc;"]);
      pit.succeed(["override", "--user", "--profile=work", "--reset", id]);
    });

    test("info --file-access says what the sandbox does with a path", () => {
      const data = pit.path("home/.var/app", id);
      symlinkSync(pit.path("home/docs"), pit.path("home/link"));
      for (const [path, access] of [
        [kept, "read-only"],
        [pit.path("home/docs/missing"), "hidden"],
        [pit.path("home/link/letter"), "read-only"],
        [pit.path("home"), "hidden"],
        ["/etc/passwd", "hidden"],
        [data, "read-write"],
        [`${data}/new/file`, "read-write"],
      ] as const) {
        expect([path, pit.succeed(["info", `--file-access=${path}`, id])]).toEqual([path, `${access}\n`]);
      }
    });

    test("plumbing spec prints the same again, and one permission as few changed lines", () => {
      const before = pit.succeed(["plumbing", "spec", id]);
      expect(pit.succeed(["plumbing", "spec", id])).toBe(before);
      const after = pit.succeed(["plumbing", "spec", id, "--unshare=network"]);
      const lines = new Set(before.split("\n"));
      expect(after.split("\n").filter((line) => !lines.has(line) && !line.includes("flatpak-info"))).toEqual([
        expect.stringContaining("shared=ipc;"),
        '    "network": false',
      ]);
    });

    test("update shows the permissions that a newer version adds, before it asks", () => {
      rmSync(pit.path("images"), { recursive: true });
      makeLayout(pit.path("images"), { context: context.replace("~/docs:ro;", "~/docs;xdg-download;"), text: "two\n" });
      pit.own(pit.path("images"));
      const { status, stderr } = pit.dowel(["update", "--user", id]);
      expect(status).toBe(1);
      expect(stderr).toContain("new permissions: --filesystem=xdg-download --filesystem=~/docs\n");
      expect(read(kept)).toMatchObject({ content: "kept", write: "EROFS" });
    });

    test("run --sandbox drops permissions and data, and takes options", () => {
      expect(read(kept, "--sandbox")).toMatchObject({ stat: "ENOENT" });
      expect(read(pit.path("home/.var/app", id), "--sandbox")).toMatchObject({ stat: "ENOENT" });
      expect(read(kept, "--sandbox", "--filesystem=~/docs")).toMatchObject({ content: "kept", write: "OK" });
      const { instance } = JSON.parse(pit.succeed(["plumbing", "spec", "--sandbox", id]));
      expect(instance.info.join("")).toContain("sandbox=true");
      const found = variables("--sandbox");
      expect(found).toMatchObject({ OWN: "1", FLATPAK_ID: id });
      expect(found["XDG_DATA_HOME"]).toBeUndefined();
      const network = JSON.parse(pit.succeed(["run", "--sandbox", id, "network"]));
      expect(network.interfaces).toEqual(["lo"]);
    });

    test("run --env-fd takes variables from a descriptor, each time anew", () => {
      const file = pit.path("work/variables");
      for (const value of ["one", "two"]) {
        writeFileSync(file, `FROM_FD=${value}\0OTHER=a b\0`);
        const fd = openSync(file, "r");
        const { stdout } = spawnSync(dowelPath, ["run", "--env-fd=3", id, "env"], {
          env: pit.environment,
          encoding: "utf8",
          stdio: ["ignore", "pipe", "pipe", fd],
          ...(uid === 0 ? {} : { uid, gid: uid }),
        });
        closeSync(fd);
        expect(JSON.parse(stdout).variables).toMatchObject({ FROM_FD: value, OTHER: "a b" });
      }
      expect(pit.dowel(["run", "--env-fd=99", id]).stderr).toContain("--env-fd=99");
    });

    test("run --usb-list-file writes what the file lists into the sandbox's description", () => {
      writeFileSync(pit.path("work/usb"), "# comment\nvnd:1234;!cls:03:*\nbroken\n");
      const { instance } = JSON.parse(pit.succeed(["plumbing", "spec", id, "--usb-list-file", pit.path("work/usb")]));
      expect(instance.info.join("")).toContain(
        "[USB Devices]\nenumerable-devices=vnd:1234;\nhidden-devices=cls:03:*;\n",
      );
    });

    test("the instances of an app share /tmp, and other apps do not see it", () => {
      const made = pit.path("run/dowel/apps", id, "tmp");
      pit.succeed(["run", id, "exit", "0"]);
      writeFileSync(`${made}/note`, "shared");
      expect(read("/tmp/note")).toMatchObject({ content: "shared" });
      expect(read("/tmp/note", "--sandbox")).toMatchObject({ stat: "ENOENT" });
      expect(read("/tmp")).toMatchObject({ write: "OK" });
      expect(readFileSync(`${made}/note`, "utf8")).toBe("shared");
    });
  });
}
