// SPDX-License-Identifier: Apache-2.0
// Builds with every build system in the sandbox, with the Sdk of examples/debian-12.yml.
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync } from "node:fs";
import type { DowelEvent } from "../../src/base/events.ts";
import { buildManifest } from "../../src/builder/build.ts";
import type { BuiltImage } from "../../src/builder/request.ts";
import { type TestSdk, testSdk } from "../builder/sdk.ts";
import { rejectionOf, TestFolder } from "../builder/support.ts";
import { ordinaryUser, Sandpit } from "./support.ts";

setDefaultTimeout(600_000);

let sdk: TestSdk;
beforeAll(async () => {
  sdk = await testSdk();
});

const program = '#include <stdio.h>\nint main(void) { puts("built with " KIND); return 0; }\n';

class Project {
  readonly folder: TestFolder;
  readonly modules: object[] = [];
  more: object = {};

  constructor(folder: TestFolder) {
    this.folder = folder;
    folder.write("hello.c", program);
  }

  inline(name: string, contents: string): object {
    return { type: "inline", "dest-filename": name, contents };
  }

  async build(
    state = "state",
    settings: { readonly disableCache?: boolean } = {},
  ): Promise<{ image: BuiltImage; images: readonly BuiltImage[]; events: DowelEvent[] }> {
    const names = {
      id: "org.example.App",
      branch: "test",
      runtime: "org.debian.Platform",
      "runtime-version": "12",
      sdk: "org.debian.Sdk",
    };
    const manifestPath = this.folder.write("m.json", JSON.stringify({ ...names, modules: this.modules, ...this.more }));
    const events: DowelEvent[] = [];
    const report = (event: DowelEvent): void => void events.push(event);
    const request = { manifestPath, stateDir: this.folder.join(state), places: [sdk.place], report, ...settings };
    const images = await buildManifest(request);
    const [image] = images;
    if (image === undefined) throw new Error("nothing was built");
    return { image, images, events };
  }

  /** Unpacks the image's layer and gives the folder. */
  unpack(image: BuiltImage): string {
    const blob = (digest: string): string => `${image.layoutDir}/blobs/${digest.replace(":", "/")}`;
    const manifest = JSON.parse(readFileSync(blob(image.digest), "utf8")) as { layers: { digest: string }[] };
    const target = this.folder.write("image/.keep", "").slice(0, -6);
    execFileSync("tar", ["-C", target, "--zstd", "-xf", blob(manifest.layers[0]?.digest ?? "")]);
    return target;
  }
}

/** What the stages did: `NAME` built, `NAME (kept)` taken from the cache. */
function stages(events: readonly DowelEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === "build.stage" ? [event.cached ? `${event.stage} (kept)` : event.stage] : [],
  );
}

const source = { type: "file", path: "hello.c" };
const sources: Readonly<Record<string, (project: Project) => object>> = {
  simple: () => ({
    "build-commands": ["gcc $CFLAGS -DKIND='\"simple\"' -o hello hello.c", "install -D hello $FLATPAK_DEST/bin/hello"],
    sources: [source],
  }),
  autotools: (project) => ({
    sources: [
      source,
      project.inline(
        "configure.ac",
        "AC_INIT([hello],[1])\nAM_INIT_AUTOMAKE([foreign])\nAC_PROG_CC\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n",
      ),
      project.inline(
        "Makefile.am",
        "bin_PROGRAMS = hello\nhello_SOURCES = hello.c\nhello_CPPFLAGS = -DKIND='\"autotools\"'\n",
      ),
      { type: "script", commands: ["autoreconf -fi"] },
    ],
  }),
  cmake: (project) => ({
    sources: [
      source,
      project.inline(
        "CMakeLists.txt",
        'cmake_minimum_required(VERSION 3.10)\nproject(hello C)\nadd_executable(hello hello.c)\ntarget_compile_definitions(hello PRIVATE KIND="cmake")\ninstall(TARGETS hello DESTINATION bin)\n',
      ),
    ],
  }),
  "cmake-ninja": (project) => ({
    sources: [
      source,
      project.inline(
        "CMakeLists.txt",
        'cmake_minimum_required(VERSION 3.10)\nproject(hello C)\nadd_executable(hello hello.c)\ntarget_compile_definitions(hello PRIVATE KIND="cmake-ninja")\ninstall(TARGETS hello DESTINATION bin)\n',
      ),
    ],
  }),
  meson: (project) => ({
    sources: [
      source,
      project.inline(
        "meson.build",
        "project('hello', 'c')\nexecutable('hello', 'hello.c', c_args: '-DKIND=\"meson\"', install: true)\n",
      ),
    ],
  }),
};

describe("buildManifest() builds with", () => {
  for (const [buildsystem, makeModule] of Object.entries(sources)) {
    test(buildsystem, async () => {
      using folder = new TestFolder();
      const project = new Project(folder);
      project.modules.push({ name: "hello", buildsystem, ...makeModule(project) });
      project.more = { command: "hello" };
      const { image } = await project.build();
      const found = readFileSync(`${project.unpack(image)}/files/bin/hello`, "latin1");
      expect(found).toContain(`built with ${buildsystem}`);
    });
  }
});

describe("buildManifest()", () => {
  test("builds again only what changed and what comes after it", async () => {
    using folder = new TestFolder();
    const project = new Project(folder);
    for (const name of ["a", "b", "c"]) {
      const commands = [`mkdir -p /app/share; cp ${name}.txt /app/share/`];
      folder.write(`${name}.txt`, name);
      project.modules.push({
        name,
        buildsystem: "simple",
        "build-commands": commands,
        sources: [{ type: "file", path: `${name}.txt` }],
      });
    }
    expect(stages((await project.build()).events)).toEqual(["a", "b", "c"]);
    expect(stages((await project.build()).events)).toEqual(["a (kept)", "b (kept)", "c (kept)"]);
    folder.write("b.txt", "changed");
    const { image, events } = await project.build();
    expect(stages(events)).toEqual(["a (kept)", "b", "c"]);
    // Of the new image manifest, config and layer, two attestations, and the empty config of both; nothing of the old one.
    expect(readdirSync(`${image.layoutDir}/blobs/sha256`)).toHaveLength(3 + 2 * 2 + 1);
    const files = project.unpack(image);
    expect(["a", "b", "c"].map((name) => readFileSync(`${files}/files/share/${name}.txt`, "utf8"))).toEqual([
      "a",
      "changed",
      "c",
    ]);
  });

  test("makes the same image in another state folder", async () => {
    using folder = new TestFolder();
    const project = new Project(folder);
    project.modules.push({ name: "hello", buildsystem: "simple", ...sources["simple"]?.(project) });
    const first = await project.build("one");
    const second = await project.build("other");
    expect(second.image.digest).toBe(first.image.digest);
  });

  test("stops at the first command that fails, says which, and keeps the folder and the output", async () => {
    using folder = new TestFolder();
    const project = new Project(folder);
    const commands = ["true", "echo out; echo err >&2; exit 7", "touch /app/never"];
    project.modules.push({ name: "bad", buildsystem: "simple", "build-commands": commands, sources: [source] });
    const error = await rejectionOf(project.build());
    expect(error.code).toBe("BUILD_FAILED");
    expect(error.message).toBe("Module bad: the command ended with exit code 7: echo out; echo err >&2; exit 7");
    expect(readFileSync(folder.join("state/logs/bad.log"), "utf8")).toEndWith("out\nerr\n");
    expect(error.hint).toContain(folder.join("state/logs/bad.log"));
    expect(error.hint).toContain(folder.join("state/build/bad"));
    expect(existsSync(folder.join("state/build/bad/hello.c"))).toBe(true);
    expect(readFileSync(folder.join("state/logs/bad.log"), "utf8")).toContain("$ true\n$ echo out;");
  });

  test("gives commands no network and nothing of the host's files", async () => {
    using folder = new TestFolder();
    const project = new Project(folder);
    const secret = folder.write("secret", "x");
    const commands = [
      "test $(tail -n +3 /proc/net/dev | grep -vc ' lo:') -eq 0",
      `test ! -e ${secret}`,
      "test ! -e /root/.bashrc && test ! -w /usr",
      "test $PWD = /run/build/m && test $FLATPAK_ID = org.example.App && test $FLATPAK_DEST = /app",
    ];
    project.modules.push({ name: "m", buildsystem: "simple", "build-commands": commands });
    await project.build();
  });

  test("applies patches, scripts and shell sources in order, and strips", async () => {
    using folder = new TestFolder();
    const project = new Project(folder);
    folder.write(
      "fix.patch",
      '--- a/hello.c\n+++ b/hello.c\n@@ -1,2 +1,2 @@\n #include <stdio.h>\n-int main(void) { puts("built with " KIND); return 0; }\n+int main(void) { puts("patched" KIND); return 0; }\n',
    );
    project.modules.push({
      name: "m",
      buildsystem: "simple",
      "build-options": { strip: true, cflags: "-g" },
      "build-commands": [
        "gcc $CFLAGS -DKIND='\"\"' -o hello hello.c",
        "install -D hello /app/bin/hello",
        "test -x run.sh",
        "test -e touched",
      ],
      sources: [
        source,
        { type: "patch", path: "fix.patch" },
        { type: "script", commands: ["true"], "dest-filename": "run.sh" },
        { type: "shell", commands: ["touch touched"] },
      ],
    });
    const { image } = await project.build();
    const path = `${project.unpack(image)}/files/bin/hello`;
    expect(readFileSync(path, "latin1")).toContain("patched");
    expect(execFileSync("readelf", ["-S", path], { encoding: "utf8" })).not.toContain(".debug_info");
  });

  test("runs cleanup-commands and removes what the patterns name", async () => {
    using folder = new TestFolder();
    const project = new Project(folder);
    const commands = [
      "mkdir -p /app/include /app/lib",
      "touch /app/include/a.h /app/lib/x.la /app/lib/x.so /app/lib/y.so",
    ];
    project.modules.push({ name: "m", buildsystem: "simple", "build-commands": commands, cleanup: ["/include"] });
    project.more = { cleanup: ["*.la"], "cleanup-commands": ["rm /app/lib/y.so"] };
    const files = `${project.unpack((await project.build()).image)}/files`;
    expect(execFileSync("find", [files, "-type", "f"], { encoding: "utf8" }).trim()).toBe(`${files}/lib/x.so`);
  });

  test("makes the same image for an ordinary user", async () => {
    using folder = new TestFolder();
    const project = new Project(folder);
    project.modules.push({ name: "hello", buildsystem: "simple", ...sources["simple"]?.(project) });
    const { image } = await project.build();
    using pit = new Sandpit(ordinaryUser);
    chmodSync(folder.path, 0o755);
    const words = ["build", folder.join("m.json"), `--state-dir=${pit.path("work", "state")}`, "--json"];
    const output = pit.succeed(words, { environment: { DOWEL_SYSTEM_DIR: sdk.place.path } });
    expect(output).toContain(image.digest);
  });

  test("says that the Sdk is not installed", async () => {
    using folder = new TestFolder();
    const project = new Project(folder);
    project.more = { sdk: "org.debian.Sdk//none" };
    const error = await rejectionOf(project.build());
    expect(error.code).toBe("RUNTIME_NOT_FOUND");
    expect(error.message).toStartWith("The Sdk runtime/org.debian.Sdk/x86_64/none is not installed");
  });
});
