// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { silent } from "../../../src/base/events.ts";
import { checkoutGit, type GitSource, resolveGit } from "../../../src/builder/sources/git.ts";
import { StateFolder } from "../../../src/builder/state.ts";
import { rejectionOf, TestFolder } from "../support.ts";

class Repository {
  readonly path: string;
  readonly #folder: TestFolder;
  readonly #name: string;

  constructor(folder: TestFolder, name: string) {
    this.#folder = folder;
    this.#name = name;
    this.path = folder.join(name);
    mkdirSync(this.path);
    this.git("init", "-q", "-b", "main");
  }

  git(...args: readonly string[]): string {
    const settings = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"];
    return execFileSync("git", ["-C", this.path, ...settings, ...args], { encoding: "utf8" }).trim();
  }

  commit(file: string, text: string): string {
    this.#folder.write(`${this.#name}/${file}`, text);
    this.git("add", "--all");
    this.git("commit", "-q", "-m", file);
    return this.git("rev-parse", "HEAD");
  }
}

function source(location: string, more: Partial<GitSource> = {}): GitSource {
  const base = { type: "git", where: "m:1:1", dest: [], onlyArches: [], skipArches: [] } as const;
  const names = { branch: undefined, tag: undefined, commit: undefined };
  return { ...base, ...names, location, submodules: true, shallow: true, ...more };
}

function contextIn(folder: TestFolder) {
  return { state: new StateFolder(folder.join("state")), excluded: [], report: silent, signal: undefined };
}

async function checkOut(folder: TestFolder, from: GitSource): Promise<string> {
  const target = folder.join("target");
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  const context = contextIn(folder);
  const commit = await resolveGit(from, context);
  await checkoutGit(from, commit, target, context);
  return commit;
}

describe("git sources", () => {
  test("check out a branch, a tag, a commit and the default branch", async () => {
    using folder = new TestFolder();
    const repository = new Repository(folder, "r");
    const first = repository.commit("a", "one");
    repository.git("tag", "-m", "v1", "v1");
    const second = repository.commit("a", "two");
    repository.git("branch", "side", first);
    const found = [];
    for (const more of [{ branch: "side" }, { tag: "v1" }, { commit: first }, {}]) {
      found.push(await checkOut(folder, source(repository.path, more)), readFileSync(folder.join("target/a"), "utf8"));
    }
    expect(found).toEqual([first, "one", first, "one", first, "one", second, "two"]);
  });

  test("see that a branch has moved on", async () => {
    using folder = new TestFolder();
    const repository = new Repository(folder, "r");
    repository.commit("a", "one");
    await checkOut(folder, source(repository.path, { branch: "main" }));
    const next = repository.commit("a", "two");
    expect(await checkOut(folder, source(repository.path, { branch: "main" }))).toBe(next);
  });

  test("need the repository no more once the commit is in the mirror", async () => {
    using folder = new TestFolder();
    const repository = new Repository(folder, "r");
    const commit = repository.commit("a", "one");
    await checkOut(folder, source(repository.path, { commit }));
    rmSync(repository.path, { recursive: true });
    await checkOut(folder, source(repository.path, { commit }));
    expect(readFileSync(folder.join("target/a"), "utf8")).toBe("one");
  });

  test("refuse a tag that is another commit than the manifest says", async () => {
    using folder = new TestFolder();
    const repository = new Repository(folder, "r");
    const first = repository.commit("a", "one");
    const second = repository.commit("a", "two");
    repository.git("tag", "v2");
    const error = await rejectionOf(
      resolveGit(source(repository.path, { tag: "v2", commit: first }), contextIn(folder)),
    );
    expect(error.message).toBe(`${repository.path}: tag v2 is commit ${second}, expected ${first}`);
  });

  test("say that a repository is not there", async () => {
    using folder = new TestFolder();
    const error = await rejectionOf(resolveGit(source(folder.join("gone"), { branch: "main" }), contextIn(folder)));
    expect(error.code).toBe("SOURCE_FETCH");
    expect(error.message).toStartWith(`Cannot fetch branch main of ${folder.join("gone")}: git failed`);
  });

  test("bring submodules along, with addresses relative to the parent", async () => {
    using folder = new TestFolder();
    const inner = new Repository(folder, "inner");
    inner.commit("deep", "inside");
    const repository = new Repository(folder, "r");
    repository.git("submodule", "add", "-q", inner.path, "lib/inner");
    repository.git("config", "-f", ".gitmodules", "submodule.lib/inner.url", "../inner");
    repository.commit("a", "one");
    await checkOut(folder, source(repository.path));
    expect(readFileSync(folder.join("target/lib/inner/deep"), "utf8")).toBe("inside");
    await checkOut(folder, source(repository.path, { submodules: false }));
    expect(existsSync(folder.join("target/lib/inner/deep"))).toBe(false);
  });
});

describe("hostile git sources", () => {
  test("run no hooks", async () => {
    using folder = new TestFolder();
    const repository = new Repository(folder, "r");
    repository.commit("a", "one");
    for (const hook of ["post-checkout", "reference-transaction"]) {
      folder.write(`templates/hooks/${hook}`, `#!/bin/sh\ntouch ${folder.join("ran")}\n`, 0o755);
    }
    const before = process.env["GIT_TEMPLATE_DIR"];
    process.env["GIT_TEMPLATE_DIR"] = folder.join("templates");
    try {
      await checkOut(folder, source(repository.path));
    } finally {
      if (before === undefined) delete process.env["GIT_TEMPLATE_DIR"];
      else process.env["GIT_TEMPLATE_DIR"] = before;
    }
    expect(existsSync(folder.join("target/a"))).toBe(true);
    expect(existsSync(folder.join("ran"))).toBe(false);
  });

  test("cannot put a submodule behind a link of their own", async () => {
    using folder = new TestFolder();
    mkdirSync(folder.join("outside"));
    const inner = new Repository(folder, "inner");
    const commit = inner.commit("evil", "x");
    const repository = new Repository(folder, "r");
    folder.write("r/.gitmodules", `[submodule "x"]\n\tpath = link/x\n\turl = ../inner\n`);
    repository.git("update-index", "--add", "--cacheinfo", `160000,${commit},link/x`);
    repository.git("add", ".gitmodules");
    repository.git("commit", "-q", "-m", "x");
    const tree = repository.git("write-tree");
    expect(tree).toHaveLength(40);
    const context = contextIn(folder);
    const from = source(repository.path);
    const found = await resolveGit(from, context);
    mkdirSync(folder.join("target"));
    symlinkSync(folder.join("outside"), folder.join("target/link"));
    await checkoutGit(from, found, folder.join("target"), context).catch(() => undefined);
    expect(existsSync(folder.join("outside/x"))).toBe(false);
  });

  test.each(["ext::sh -c 'touch /tmp/x'", "--upload-pack=x", "/etc", "file:///etc"])(
    "cannot name %p as a submodule from elsewhere",
    async (url) => {
      using folder = new TestFolder();
      const repository = new Repository(folder, "r");
      folder.write("r/.gitmodules", `[submodule "x"]\n\tpath = x\n\turl = "${url}"\n`);
      repository.git("update-index", "--add", "--cacheinfo", `160000,${"a".repeat(40)},x`);
      repository.git("add", ".gitmodules");
      repository.git("commit", "-q", "-m", "x");
      // git itself fetches the local repository in place of the one elsewhere
      const variables = {
        COUNT: "1",
        KEY_0: `url.${repository.path}.insteadOf`,
        VALUE_0: "https://git.example.org/r.git",
      };
      for (const [name, value] of Object.entries(variables)) process.env[`GIT_CONFIG_${name}`] = value;
      mkdirSync(folder.join("target"));
      try {
        const context = contextIn(folder);
        const remote = source("https://git.example.org/r.git");
        const commit = await resolveGit(remote, context);
        const error = await rejectionOf(checkoutGit(remote, commit, folder.join("target"), context));
        expect(error.code).toBe("SOURCE_INVALID");
        expect(error.message).toContain("submodule x has the address");
      } finally {
        for (const name of Object.keys(variables)) delete process.env[`GIT_CONFIG_${name}`];
      }
    },
  );
});
