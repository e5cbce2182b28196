// SPDX-License-Identifier: Apache-2.0
// For inplace.test.ts: does in each of the installations that are named what commands do, and prints how each of them ended,
// a line an installation, so that a wait can be seen. A code stands for an error that a user can read.
import { writeSync } from "node:fs";
import { DowelError, isDowelError } from "../../src/base/errors.ts";
import { execute } from "../../src/engine/execute.ts";
import { history } from "../../src/engine/history.ts";
import { info } from "../../src/engine/info.ts";
import { listInstalled } from "../../src/engine/list.ts";
import { prepareUpdate } from "../../src/engine/prepareupdate.ts";
import { isSound, repair } from "../../src/engine/repair.ts";
import { previousVersion } from "../../src/engine/rollback.ts";
import { parseRef } from "../../src/metadata/ref.ts";
import { requireDeployment } from "../../src/store/deployments.ts";
import { openInstallation } from "../../src/store/installation.ts";
import { appRef } from "../engine/fixtures.ts";

/** An installation, and how each command ended there. */
export type Outcome = readonly [path: string, ...ends: string[]];

async function outcome(work: () => unknown): Promise<string> {
  try {
    await work();
    return "ok";
  } catch (error) {
    return isDowelError(error)
      ? error.code
      : `no error for users: ${String(error instanceof Error ? error.stack : error)}`;
  }
}

for (const path of process.argv.slice(2)) {
  const place = { name: "test", kind: "user", path, priority: 0 } as const;
  const open = () => openInstallation(place);
  const commands: readonly (() => unknown)[] = [
    () => listInstalled([open()]),
    () => info([open()], "org.test.Hello"),
    () => history([open()]),
    () => previousVersion(open(), requireDeployment(open(), parseRef(appRef("Hello")))),
    () => repair(open(), { dryRun: true }),
    async () => execute(await prepareUpdate(open(), []), open()),
    () => repair(open(), { dryRun: false }),
    async () => {
      const left = await repair(open(), { dryRun: true });
      if (!isSound(left)) throw new DowelError("STORE_INVALID", JSON.stringify(left));
    },
  ];
  const ends: string[] = [];
  for (const command of commands) ends.push(await outcome(command));
  writeSync(1, `${JSON.stringify([path, ...ends] satisfies Outcome)}\n`);
}
