// SPDX-License-Identifier: Apache-2.0
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { hostArch } from "../../../src/base/arch.ts";
import type { RunRequest } from "../../../src/engine/run/describe.ts";
import { noPermissions } from "../../../src/metadata/permissions/model.ts";
import { applyPermissionOption } from "../../../src/metadata/permissions/options.ts";
import { formatRef, parseRef } from "../../../src/metadata/ref.ts";
import { encodeDeployment } from "../../../src/store/deployments.ts";
import { buildLauncher, launcher, probe } from "../../launcher/support.ts";

export const arch = hostArch();
export const appId = "org.test.App";

/** What a variable was before, so that it can be put back. */
type Saved = readonly (readonly [name: string, value: string | undefined])[];

/** A home, a runtime folder and two installations in a folder of their own, named by this process's environment. */
export class Machine implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "dowel-run-"));
  readonly home = this.folder("home");
  readonly session = this.folder("session", 0o700);
  readonly system = this.folder("system");
  readonly user = this.folder("user");
  readonly #saved: Saved;

  constructor() {
    buildLauncher();
    chmodSync(this.path, 0o755);
    const variables = {
      HOME: this.home,
      XDG_RUNTIME_DIR: this.session,
      DOWEL_SYSTEM_DIR: this.system,
      DOWEL_USER_DIR: this.user,
      DOWEL_LAUNCHER: launcher,
    };
    this.#saved = Object.keys(variables).map((name) => [name, process.env[name]]);
    Object.assign(process.env, variables);
  }

  folder(name: string, mode = 0o755): string {
    const path = join(this.path, name);
    mkdirSync(path, { recursive: true });
    chmodSync(path, mode);
    return path;
  }

  file(name: string, text: string): string {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** Deploys a ref as a checkout by hand; a runtime gets the probe as `/usr/bin/probe`. Answers its commit. */
  deploy(name: string, metadata: string, { commit = "1", installation = this.system } = {}): string {
    const ref = parseRef(name);
    const digest = commit.repeat(64);
    const folder = join(installation, formatRef(ref));
    const path = join(folder, digest);
    const root = join(path, "root", ref.kind === "app" ? "app" : "usr");
    mkdirSync(join(root, "bin"), { recursive: true });
    if (ref.kind === "runtime") {
      mkdirSync(join(root, "etc"), { recursive: true });
      copyFileSync(probe, join(root, "bin/probe"));
      chmodSync(join(root, "bin/probe"), 0o755);
    }
    const common = { origin: "test", source: "oci:/nowhere", imageDigest: "", installedSize: 0, downloadSize: 0 };
    writeFileSync(
      join(path, "deploy.json"),
      encodeDeployment({
        ...common,
        ref,
        commit: digest,
        path,
        metadata,
        shownAs: "checkout",
        deployedAt: 0,
        labels: new Map(),
      }),
    );
    rmSync(join(folder, "active"), { force: true });
    symlinkSync(digest, join(folder, "active"));
    return digest;
  }

  deployPlatform(branch = "1"): void {
    this.deploy(`runtime/org.test.Platform/${arch}/${branch}`, "[Runtime]\nname=org.test.Platform\n");
  }

  deployApp(more = "", options: { commit?: string; installation?: string; branch?: string } = {}): string {
    const { branch = "stable", ...rest } = options;
    const metadata = `[Application]\nname=${appId}\nruntime=org.test.Platform/${arch}/1\ncommand=probe\n${more}`;
    return this.deploy(`app/${appId}/${arch}/${branch}`, metadata, rest);
  }

  [Symbol.dispose](): void {
    for (const [name, value] of this.#saved) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function request(changes: Partial<RunRequest> = {}, options: readonly string[] = []): RunRequest {
  return {
    name: appId,
    branch: undefined,
    arch: undefined,
    runtime: undefined,
    runtimeVersion: undefined,
    installations: {},
    permissions: options.reduce(applyPermissionOption, noPermissions),
    command: undefined,
    cwd: undefined,
    devel: false,
    clearEnvironment: false,
    dieWithParent: false,
    sandboxed: false,
    documents: true,
    buses: { session: undefined, a11y: undefined, log: [] },
    parent: undefined,
    instanceIdFd: undefined,
    profile: undefined,
    ...changes,
  };
}
