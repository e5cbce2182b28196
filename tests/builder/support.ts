// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DowelError } from "../../src/base/errors.ts";

/** A folder that goes at the end of the test. */
export class TestFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "dowel-builder-"));

  write(name: string, data: string | Uint8Array, mode = 0o644): string {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, data, { mode });
    return path;
  }

  join(...names: readonly string[]): string {
    return join(this.path, ...names);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function toDowelError(error: unknown): DowelError {
  if (error instanceof DowelError) return error;
  throw error;
}

/** The error that a call must throw. */
export function errorOf(call: () => unknown): DowelError {
  try {
    call();
  } catch (error) {
    return toDowelError(error);
  }
  throw new Error("No error was thrown");
}

export async function rejectionOf(promise: Promise<unknown>): Promise<DowelError> {
  try {
    await promise;
  } catch (error) {
    return toDowelError(error);
  }
  throw new Error("The promise was not rejected");
}
