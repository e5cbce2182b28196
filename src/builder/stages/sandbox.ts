// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { DowelError } from "../../base/errors.ts";
import type { Report } from "../../base/events.ts";
import { spawnPlan } from "../../instances/spawn.ts";
import { buildPlan } from "../../sandbox/build.ts";
import { encodePlan } from "../../sandbox/plan/encode.ts";
import type { Extensions } from "../../sandbox/spec/extensions.ts";
import type { StateFolder } from "../state.ts";

/** Where the sources of a module show in its sandbox. */
export function sandboxFolder(name: string): string {
  return `/run/build/${name}`;
}

export interface StageSandboxInput {
  /** Name of the stage, for events and messages. */
  readonly stage: string;
  readonly state: StateFolder;
  readonly sdkLower: string;
  readonly appLower: string | undefined;
  readonly extensions: Extensions;
  readonly arch: string;
  readonly appFolder: string;
  /** Where the folder shows: `/app`, or the place of an extension. */
  readonly target: string;
  /** Host path of the module's sources; undefined for stages that have none. */
  readonly sourceFolder: string | undefined;
  readonly environment: ReadonlyMap<string, string>;
  readonly network: boolean;
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
}

export interface StageCommand {
  readonly words: readonly string[];
  /** Absolute, inside the sandbox. */
  readonly cwd: string;
  readonly environment?: ReadonlyMap<string, string> | undefined;
  /** What people are told in place of the words. */
  readonly shown?: string | undefined;
  /** Further words that nobody is shown. */
  readonly secrets?: readonly string[] | undefined;
}

const keptText = 64 * 1024;

/** Runs the commands of one stage in the build sandbox; what they print goes to events and to `STATE/logs/STAGE.log`. */
export class StageSandbox {
  readonly #input: StageSandboxInput;
  readonly #log: string;

  constructor(input: StageSandboxInput) {
    this.#input = input;
    this.#log = join(input.state.folder("logs"), `${input.stage}.log`);
    if (input.sourceFolder !== undefined || !existsSync(this.#log)) writeFileSync(this.#log, "");
  }

  /** Throws `BUILD_FAILED` where the command does not end with 0; what it printed has been reported by then. */
  async run(command: StageCommand): Promise<void> {
    const { stage, report, signal } = this.#input;
    const shown = command.shown ?? showWords(command.words);
    report({ type: "build.command", stage, command: shown });
    appendFileSync(this.#log, `$ ${shown}\n`);
    const decoder = new StringDecoder("utf8");
    const lines = new Lines((text) => report({ type: "build.output", stage, text }));
    const take = (text: string): void => {
      if (text === "") return;
      appendFileSync(this.#log, text);
      lines.add(text);
    };
    const { code } = await spawnPlan(this.#encode(command), [], {
      output: (chunk) => take(decoder.write(Buffer.from(chunk))),
      signal,
      environment: {},
    });
    take(decoder.end());
    lines.end();
    if (code !== 0) throw this.#failure(shown, code);
  }

  #encode({ words, cwd, environment, secrets = [] }: StageCommand): Uint8Array {
    const input = this.#input;
    const plan = buildPlan({
      sdkLower: input.sdkLower,
      appLower: input.appLower,
      extensions: input.extensions,
      arch: input.arch,
      appFolder: input.appFolder,
      target: input.target,
      source:
        input.sourceFolder === undefined
          ? undefined
          : { folder: input.sourceFolder, target: sandboxFolder(input.stage) },
      binds: [],
      environment: new Map([...input.environment, ...(environment ?? [])]),
      network: input.network,
      cwd,
      command: [...words, ...secrets],
    });
    return encodePlan(plan);
  }

  #failure(command: string, code: number): DowelError {
    const { stage, sourceFolder } = this.#input;
    const kept = sourceFolder === undefined ? "" : ` The build folder is kept: ${sourceFolder}`;
    const text = `Module ${stage}: the command ended with exit code ${code}: ${command}`;
    return new DowelError("BUILD_FAILED", text, {
      hint: `All output is in ${this.#log}.${kept}`,
    });
  }
}

/** Passes text on in whole lines, as far as they are not endless. */
class Lines {
  readonly #pass: (text: string) => void;
  #rest = "";

  constructor(pass: (text: string) => void) {
    this.#pass = pass;
  }

  add(text: string): void {
    this.#rest += text;
    const length = this.#rest.length > keptText ? this.#rest.length : this.#rest.lastIndexOf("\n") + 1;
    if (length === 0) return;
    this.#pass(this.#rest.slice(0, length));
    this.#rest = this.#rest.slice(length);
  }

  end(): void {
    if (this.#rest !== "") this.#pass(this.#rest);
    this.#rest = "";
  }
}

/** A command as a person would type it. */
function showWords(words: readonly string[]): string {
  const [shell, option, text] = words;
  if (shell === "/bin/sh" && option === "-c" && text !== undefined) return text;
  return words
    .map((word) => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ");
}
