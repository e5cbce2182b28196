// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { silent } from "../../src/base/events.ts";
import { build } from "../../src/builder/build.ts";
import type { BuiltImage } from "../../src/builder/request.ts";
import { execute } from "../../src/engine/execute.ts";
import { prepareInstall } from "../../src/engine/prepareinstall.ts";
import { activeDeployment } from "../../src/store/deployments.ts";
import { createInstallation } from "../../src/store/installation.ts";
import type { InstallationPlace } from "../../src/store/places.ts";
import { lockFile } from "../../src/sys/locks.ts";

/** Where the demo runtime is kept between runs of the tests, because its packages take a minute to install. */
const cache = process.env["DOWEL_TEST_CACHE"] ?? "/var/cache/dowel-tests";

export interface TestSdk {
  readonly place: InstallationPlace;
  /** OCI layout with the platform and the Sdk. */
  readonly layoutDir: string;
}

let ready: Promise<TestSdk> | undefined;

/** The runtime and Sdk of `examples/debian-12.yml`, built and installed once for all tests on this machine. */
export function testSdk(): Promise<TestSdk> {
  ready ??= prepare();
  return ready;
}

async function prepare(): Promise<TestSdk> {
  const folder = join(cache, "debian-12");
  mkdirSync(folder, { recursive: true });
  using _lock = await lockFile(join(folder, "lock"), { exclusive: true });
  const place = { name: "default", kind: "system", path: join(folder, "installation"), priority: 0 } as const;
  const manifestPath = resolve("examples/debian-12.yml");
  const images = await build({ manifestPath, stateDir: join(folder, "state"), places: [], report: silent });
  for (const image of images) await install(place, image);
  return { place, layoutDir: images[0]?.layoutDir ?? "" };
}

async function install(place: InstallationPlace, { ref, digest, layoutDir, tag }: BuiltImage): Promise<void> {
  const installation = createInstallation(place);
  if (activeDeployment(installation, ref)?.commit === digest.replace("sha256:", "")) return;
  const shared = { report: silent, signal: undefined };
  const options = { installations: [installation], reinstall: true, ...shared };
  await execute(await prepareInstall(installation, [`oci:${layoutDir}:${tag}`], options), installation, shared);
}
