// SPDX-License-Identifier: Apache-2.0
// Vendors who send something else than they should, and programs that misuse that they may prepare what came.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostArch } from "../../src/base/arch.ts";
import { type Outcome, Sandpit } from "../e2e/support.ts";
import { makeBase } from "../interop/programs.ts";
import { addExtraImage, type ExtraFile, type ExtraImage, extraFile } from "../support/extra.ts";
import { Vendor } from "../support/vendor.ts";
import { expectRefused } from "./support.ts";

const id = "org.example.Extra";
const ref = `app/${id}/${hostArch()}/stable`;
const part = Buffer.from("what the vendor has\n".repeat(1000));

const pit = new Sandpit();
const layout = pit.path("images");
const installation = pit.path("home/.local/share/dowel");
const secret = pit.path("work/secret");
let vendor: Vendor;
let honest: ExtraFile;

beforeAll(async () => {
  vendor = await Vendor.start();
  await makeBase(layout, ["sh", "cat", "ln", "chmod", "ls", "mkfifo", "truncate", "sleep", "mkdir", "mount"]);
  pit.succeed(["remote-add", "--user", "apps", `oci:${layout}`]);
  pit.succeed(["install", "--user", "-y", "apps", "org.example.Base"]);
  writeFileSync(secret, "of the user\n");
  honest = extraFile(vendor.url("/part"), part);
});
afterAll(async () => {
  await vendor[Symbol.asyncDispose]();
  pit[Symbol.dispose]();
});

/** Tries to install an app with extra data; the vendor has them, unless told otherwise. */
async function tryInstall(image: Partial<ExtraImage>, instead: Vendor["instead"] = () => false): Promise<Outcome> {
  vendor.files.set("/part", part);
  vendor.instead = instead;
  addExtraImage(layout, { ref, extra: [honest], ...image });
  return await pit.start(["install", "--user", "-y", "apps", id]).outcome;
}

/** Leaves what an earlier try would have brought. */
function keepPart(): void {
  const folder = join(installation, "tmp/blobs");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `extra-${honest.checksum}.part`), part.subarray(0, 5000));
}

/** Nothing is installed, and nothing outside the installation has changed; what was fetched is forgotten for the next try. */
function expectNothing(): void {
  expect(readFileSync(secret, "utf8")).toBe("of the user\n");
  expect(existsSync(join(installation, "app", id))).toBe(false);
  expect(readdirSync(pit.folder).sort()).toEqual(["home", "images", "run", "work"]);
  expect(readdirSync(pit.path("work"))).toEqual(["secret"]);
  expect(readdirSync(join(installation, "exports"))).toEqual([]);
  rmSync(join(installation, "tmp/blobs"), { recursive: true, force: true });
}

describe("install refuses extra data", () => {
  const sends = (body: Uint8Array, status = 200) => {
    return ((_request, response) => {
      response.writeHead(status, { "content-length": body.length }).end(body);
      return true;
    }) satisfies Vendor["instead"];
  };
  const leads = (location: string) => {
    return ((_request, response) => {
      response.writeHead(302, { location }).end();
      return true;
    }) satisfies Vendor["instead"];
  };
  const other = Buffer.from(part).fill("x", 5, 6);

  for (const [name, instead, code, word] of [
    ["that are larger", sends(Buffer.concat([part, part])), "EXTRA_DATA", "larger than"],
    ["of another content", sends(other), "EXTRA_DATA", "SHA-256"],
    ["that are shorter", sends(part.subarray(1)), "TRANSFER_INCOMPLETE", `of ${part.length} bytes`],
    ["that are not there", sends(Buffer.from("no"), 404), "REGISTRY_NOT_FOUND", "404"],
    ["that lead to a file of this machine", leads("file:///etc/passwd"), "REGISTRY_RESPONSE", "redirects"],
    ["that lead in circles", leads("/part"), "REGISTRY_RESPONSE", "redirects"],
    [
      "of other bytes than were asked for",
      (request, response) => {
        expect(request.headers.range).toBe("bytes=5000-");
        response.writeHead(206, { "content-range": `bytes 7-8/${part.length}` }).end("xy");
        return true;
      },
      "EXTRA_DATA",
      "asked for bytes from",
    ],
  ] satisfies readonly (readonly [string, Vendor["instead"], string, string])[]) {
    test(name, async () => {
      if (word === "asked for bytes from") keepPart();
      expectRefused(await tryInstall({}, instead), code, word);
      expectNothing();
    });
  }

  for (const [name, extra, word] of [
    ["with a name that climbs out", { name: ".." }, "'/'"],
    ["with a name that has a slash", { name: "../escaped" }, "'/'"],
    ["from a file of this machine", { uri: "file:///etc/passwd" }, "http or https"],
    ["with no checksum", { checksum: "" }, "64 hex digits"],
    ["of an endless size", { size: 2 ** 52 }, "at most"],
  ] as const) {
    test(name, async () => {
      expectRefused(await tryInstall({ extra: [{ ...honest, ...extra }] }), "METADATA_INVALID", word);
      expectNothing();
    });
  }

  test("two of one name", async () => {
    expectRefused(await tryInstall({ extra: [honest, honest] }), "METADATA_INVALID", "different name");
    expectNothing();
  });
});

describe("a program that prepares extra data", () => {
  /** Installs an app whose program does something, and answers what it wrote into `report`. */
  async function report(apply: string, image: Partial<ExtraImage> = {}): Promise<string> {
    const { status, stderr } = await tryInstall({ apply: `exec 2>&1 >report\n${apply}`, ...image });
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.any(String) });
    return pit.succeed(["run", "--command=cat", id, "/app/extra/report"]);
  }
  const remove = (): void => {
    pit.succeed(["uninstall", "--user", "-y", id]);
    expectNothing();
  };

  test("sees nothing of the machine and can change nothing but its folder", async () => {
    const said = await report(`for path in ${secret} ${pit.folder} /home /root /proc/self /sys/class /etc/shadow; do
  [ ! -e $path ] || echo $path is there
done
for path in /app/new /app/bin/apply_extra /usr/new /usr/bin/sh /new; do ( : >> $path ) 2>/dev/null && echo $path changed; done
mkdir -p /tmp/m; mount -t tmpfs none /tmp/m 2>/dev/null && echo mounted
ls /dev | cat
echo end`);
    expect(said).not.toMatch(/is there|changed|mounted/);
    expect(said).toEndWith("end\n");
    expect(said).not.toMatch(/^(sd|vd|mem|kmsg|disk)/m);
    remove();
  });

  test("leaves links that lead nowhere outside, and nothing that is no file", async () => {
    await report(
      `ln -s ${secret} out; ln -s / root; mkfifo pipe; ln part twice; chmod 6777 twice; mkdir .x; chmod 0 .x`,
    );
    const shown = join(installation, ref, "active/files/extra");
    expect(readdirSync(shown).sort()).toEqual([".x", "out", "part", "report", "root", "twice"]);
    expect(lstatSync(join(shown, "twice")).mode & 0o7022).toBe(0);
    expect(pit.dowel(["run", "--command=cat", id, "/app/extra/out"]).status).not.toBe(0);
    remove();
  });

  test("writes into a folder of its own where the app has a link", async () => {
    await report("echo x > secret", { linkInstead: pit.path("work") });
    expect(readFileSync(join(installation, ref, "active/files/extra/secret"), "utf8")).toBe("x\n");
    remove();
  });

  for (const [name, apply, word] of [
    ["writes without end", "truncate -s 1T part; sleep 1000", "wrote too much"],
    ["fails", "echo the reason >&2; exit 3", "the reason"],
    [
      "speaks without end and fails",
      "echo begin; while :; do echo $((i=i+1)); [ $i -lt 100000 ] || exit 1; done",
      "99999",
    ],
    ["has no interpreter that is there", "", "apply_extra"],
  ] as const) {
    test(`is ended where it ${name}`, async () => {
      const image = name.startsWith("has no") ? { lines: "NoRuntime=true\n" } : {};
      const { status, stderr } = await tryInstall({ apply, ...image });
      expect(stderr).toContain(word);
      expect(stderr).not.toContain("begin\n");
      expect(status).toBe(1);
      expect(readdirSync(join(installation, "tmp")).filter((entry) => entry.startsWith("extra-"))).toEqual([]);
      expectNothing();
    });
  }
});
