// SPDX-License-Identifier: Apache-2.0
import { helperPlan, helperSpecification } from "./helper.ts";
import type { Plan } from "./plan/types.ts";
import type { Host } from "./probe/host.ts";
import { RootBuilder } from "./spec/builder.ts";
import { addAllExtensions } from "./spec/extensions-mount.ts";
import { linkerConfiguration } from "./spec/linker.ts";
import { addBase } from "./spec/root.ts";
import type { SandboxContents, SandboxImage } from "./spec/types.ts";

const output = "/run/ld.so";

/** Where the runtime has ldconfig(8), inside the sandbox; undefined where it has none. */
export function findLdconfig(host: Host, runtime: Pick<SandboxImage, "lower">): string | undefined {
  const paths = ["/usr/bin/ldconfig", "/usr/sbin/ldconfig"];
  return paths.find((path) => host.lookAt(runtime.lower + path) !== undefined);
}

/**
 * A sandbox in which the runtime's own ldconfig writes the linker's cache for an app as `FOLDER/cache`: the two images,
 * their extensions, the folder, and nothing else.
 */
export function ldconfigPlan(
  host: Host,
  images: SandboxContents & { readonly app: SandboxImage; readonly ldconfig: string },
  folder: string,
  runFolder: string,
): Plan {
  const { app, runtime, ldconfig } = images;
  const root = new RootBuilder(host);
  addBase(root, host, `${runtime.lower}/usr`, host.identity.uid);
  root.assume("/usr");
  root.assume("/app");
  addAllExtensions(root, host, images);
  root.special("dev", "/dev");
  root.symlink("/etc/ld.so.conf.d", "../usr/etc/ld.so.conf.d");
  root.file("/etc/ld.so.conf", linkerConfiguration(app.ref.arch));
  root.bind(folder, output, { access: "rw" });
  const specification = helperSpecification(root, app.ref.arch, {
    identity: { id: app.ref.id, ref: "", commit: app.commit, runtime: "" },
    lowers: [app.lower, runtime.lower],
    environment: { clear: true, set: { PATH: "/usr/bin:/usr/sbin" }, unset: [] },
    command: [ldconfig, "-X", "-C", `${output}/cache`],
  });
  return helperPlan(specification, runFolder);
}
