// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostArch } from "../../src/base/arch.ts";
import { makeBase } from "../interop/programs.ts";
import { addExtraImage, extraFile } from "../support/extra.ts";
import { sha256 } from "../support/layout.ts";
import { Vendor } from "../support/vendor.ts";
import { type Outcome, ordinaryUser, Sandpit } from "./support.ts";

const id = "org.example.Extra";
const ref = `app/${id}/${hostArch()}/stable`;
const part = Buffer.from("what the vendor has\n".repeat(200_000));
const small = Buffer.from("tiny\n");

/** Says what it sees, and prepares the parts. */
const apply = `pwd > report
cat part > made
rm part
mkdir -p deep
ln -s "../small one" deep/link
cp made deep/program
chmod 6755 deep/program
( : > /app/new ) 2>/dev/null || echo app is read-only >> report
( : > /usr/new ) 2>/dev/null || echo usr is read-only >> report
ls /proc /sys /home /root /var /run 2>/dev/null >> report || true
id -u >> report`;

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`as ${who}`, () => {
    const pit = new Sandpit(uid);
    const layout = pit.path("images");
    let vendor: Vendor;

    /** Runs the program while the vendor answers. */
    async function dowel(...words: string[]): Promise<Outcome> {
      return await pit.start(words).outcome;
    }
    async function succeed(...words: string[]): Promise<string> {
      const { status, stdout, stderr } = await dowel(...words);
      expect({ status, stderr }).toEqual({ status: 0, stderr: expect.any(String) });
      return stdout;
    }
    const shown = (path: string) => pit.succeed(["run", "--command=cat", id, `/app/extra/${path}`]);
    const made = () => readFileSync(pit.path(`home/.local/share/dowel/${ref}/active/files/extra/made`)).equals(part);
    const publish = (version: string) => {
      const extra = [extraFile(vendor.url("/part"), part), extraFile(vendor.url("/small"), small, "small one")];
      addExtraImage(layout, { ref, extra, apply, version });
    };

    beforeAll(async () => {
      vendor = await Vendor.start();
      vendor.files.set("/part", part).set("/small", small);
      await makeBase(layout, ["sh", "cat", "cp", "rm", "mkdir", "ln", "chmod", "ls", "id"]);
      publish("1");
      pit.succeed(["remote-add", "--user", "apps", `oci:${layout}`]);
      await succeed("install", "--user", "-y", "apps", "org.example.Base");
    });
    afterAll(async () => {
      await vendor[Symbol.asyncDispose]();
      pit[Symbol.dispose]();
    });

    test("a transfer that breaks off is gone on with, and what it costs is said beforehand", async () => {
      // What an earlier try would have brought.
      const kept = pit.path("home/.local/share/dowel/tmp/blobs");
      mkdirSync(kept, { recursive: true });
      writeFileSync(join(kept, `extra-${sha256(part)}.part`), part.subarray(0, 1_000_000));
      pit.own(kept);
      const events = (await succeed("install", "--user", "-y", "--json", "apps", id)).trim().split("\n");
      const plan = events.map((line) => JSON.parse(line)).find(({ type }) => type === "transaction.plan");
      expect(plan.operations[0].downloadSize).toBeGreaterThan(part.length + small.length);
      const asked = vendor.requests.filter(({ path }) => path === "/part");
      expect(asked).toEqual([{ path: "/part", range: "bytes=1000000-" }]);
    });

    test("the app's own program has prepared the files, in a sandbox that shows nothing else", () => {
      expect(made()).toBe(true);
      expect(shown("deep/link")).toBe("tiny\n");
      expect(shown("small one")).toBe("tiny\n");
      expect(shown("report")).toBe(`/app/extra\napp is read-only\nusr is read-only\n${uid}\n`);
      const listed = pit.succeed(["run", "--command=ls", id, "-l", "/app/extra", "/app/extra/deep"]);
      expect(listed).not.toContain("part");
      expect(listed).toMatch(/-r.xr-xr-x .* program/);
      expect(readdirSync(join(pit.path("home/.local/share/dowel/tmp"), "blobs"))).not.toContainEqual(
        expect.stringMatching(/^extra-[0-9a-f]{64}$/),
      );
    });

    test("verify and repair know them, and fetch them again where they are damaged", async () => {
      expect(pit.succeed(["verify", "--user", id])).toContain(id);
      expect(JSON.parse(pit.succeed(["repair", "--user", "--dry-run", "--json"]))).toEqual([]);
      const record = join(pit.path("home/.local/share/dowel/images"), commit(), "record-extra");
      rmSync(record);
      expect(pit.dowel(["verify", "--user", id]).status).toBe(1);
      await succeed("repair", "--user");
      expect(pit.succeed(["verify", "--user", id])).toContain(id);
      expect(made()).toBe(true);
    });
    const commit = (): string => pit.succeed(["info", "--user", "--show-commit", id]).trim();

    test("a reinstall goes on with what is here, and an update fetches again", async () => {
      const asked = vendor.requests.length;
      await succeed("install", "--user", "-y", "--reinstall", "apps", id);
      expect(vendor.requests.length).toBe(asked);
      publish("2");
      await succeed("update", "--user", "-y", id);
      expect(vendor.requests.length).toBe(asked + 2);
      expect(pit.succeed(["run", "--command=cat", id, "/app/version"])).toBe("2\n");
      expect(made()).toBe(true);
    });

    test("what was only pulled is prepared without asking anybody", async () => {
      publish("3");
      await succeed("update", "--user", "-y", "--no-deploy", id);
      vendor.files.clear();
      await succeed("update", "--user", "-y", "--no-pull", id);
      vendor.files.set("/part", part).set("/small", small);
      expect(pit.succeed(["run", "--command=cat", id, "/app/version"])).toBe("3\n");
      expect(made()).toBe(true);
    });

    test("an extension has its files prepared by its own program, which sees them as an app's", async () => {
      const extension = `runtime/org.example.Base.Codec/${hostArch()}/1`;
      const apply = "cat part part > both; pwd > where; rm part";
      addExtraImage(layout, { ref: extension, extra: [extraFile(vendor.url("/small"), small)], apply });
      await succeed("install", "--user", "-y", "apps", "org.example.Base.Codec");
      const folder = pit.path(`home/.local/share/dowel/${extension}/active/files/extra`);
      expect(readdirSync(folder).sort()).toEqual(["both", "where"]);
      expect(readFileSync(join(folder, "both"), "utf8")).toBe("tiny\ntiny\n");
      expect(readFileSync(join(folder, "where"), "utf8")).toBe("/app/extra\n");
    });

    test("an uninstall takes them along", () => {
      pit.succeed(["uninstall", "--user", "-y", "--all"]);
      expect(JSON.parse(pit.succeed(["list", "--user", "--json"]))).toEqual([]);
      expect(pit.dowel(["verify", "--user", "--json"]).stdout).not.toContain(id);
    });
  });
}
