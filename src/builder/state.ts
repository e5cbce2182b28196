// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileError } from "../base/errors.ts";
import { makeTempFolder } from "../sys/tempfolder.ts";

/** The folder where a build keeps what it can use again. Everything in it may be deleted at any time. */
export class StateFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    try {
      mkdirSync(path, { recursive: true });
      writeOnce(join(path, "CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n");
      writeOnce(join(path, ".gitignore"), "*\n");
    } catch (error) {
      throw fileError(error, "create the state folder", path);
    }
  }

  /** A folder below the state folder, made where it is missing. */
  folder(...names: readonly string[]): string {
    const path = join(this.path, ...names);
    try {
      mkdirSync(path, { recursive: true });
    } catch (error) {
      throw fileError(error, "create", path);
    }
    return path;
  }

  /** Removes what builds that were ended by force left. The caller holds the lock. */
  clearTemporary(): void {
    rmSync(join(this.path, "tmp"), { recursive: true, force: true });
  }

  /** A new empty folder that goes when the caller is done with it. */
  temporary(prefix: string): TemporaryFolder {
    return new TemporaryFolder(makeTempFolder(join(this.folder("tmp"), `${prefix}-`)));
  }
}

export class TemporaryFolder implements Disposable {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function writeOnce(path: string, text: string): void {
  if (!existsSync(path)) writeFileSync(path, text);
}
