// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { formatRef, type Ref } from "../../metadata/ref.ts";
import type { Remote, RemoteRef } from "../../remotes/types.ts";
import type { Deployment } from "../../store/types.ts";
import type { Candidate, FailedOperation, Operation, PlanNote, SkippedOperation } from "../types.ts";
import { type Answer, type Ask, answerKey, type Dependent, type Facts, offeredRef } from "./facts.ts";

/** What looking for the newest image of a ref in a remote gave; `pending` where the remote must be asked first. */
export type Lookup =
  | { readonly candidate: Candidate }
  | { readonly reason: string }
  | { readonly error: DowelError }
  | { readonly pending: true };

/** A plan in the making. What is looked up in remotes that have not been asked yet is noted in `asks`. */
export class Draft {
  readonly facts: Facts;
  readonly asks = new Map<string, Ask>();
  readonly operations = new Map<string, Operation>();
  readonly skipped = new Map<string, SkippedOperation>();
  readonly failed: FailedOperation[] = [];
  readonly notes: PlanNote[] = [];
  readonly rebases = new Map<string, string>();
  /** The first reason for which nothing may be done at all; it counts when all remotes have been asked. */
  fatal: DowelError | undefined;
  readonly #visited = new Set<string>();
  readonly #here: ReadonlyMap<string, Dependent>;
  readonly #everywhere: ReadonlySet<string>;

  constructor(facts: Facts) {
    this.facts = facts;
    const name = ({ deployment }: Dependent): string => formatRef(deployment.ref);
    const here = facts.installed.filter(({ installation }) => installation === facts.target);
    this.#here = new Map(here.map((dependent) => [name(dependent), dependent]));
    this.#everywhere = new Set(facts.installed.map(name));
  }

  /** What the target has of a ref. */
  present(ref: Ref): Deployment | undefined {
    return this.#here.get(formatRef(ref))?.deployment;
  }

  isInstalledAnywhere(ref: Ref): boolean {
    return this.#everywhere.has(formatRef(ref));
  }

  /** Whether a ref is looked at for the first time for a reason. A runtime is needed by many apps. */
  visits(ref: Ref, reason: string): boolean {
    const key = `${reason} ${formatRef(ref)}`;
    if (this.#visited.has(key)) return false;
    this.#visited.add(key);
    return true;
  }

  /** What a remote answered; undefined where it has not been asked, which is noted then. */
  answer(remote: Remote, arch: string): Answer | undefined {
    const key = answerKey(remote.name, arch);
    const known = this.facts.answers.get(key);
    if (known === undefined) this.asks.set(key, { remote, arch });
    return known;
  }

  skip(operation: Operation["operation"], ref: Ref, reason: string, newPermissions?: readonly string[]): void {
    const granted = newPermissions === undefined ? {} : { newPermissions };
    this.skipped.set(formatRef(ref), { operation, ref, reason, ...granted });
  }

  fail(operation: Operation["operation"], ref: Ref, error: DowelError): void {
    this.failed.push({ operation, ref, error });
  }

  warn(text: string): void {
    if (!this.notes.some((note) => note.text === text)) this.notes.push({ type: "warning", text });
  }

  /** An image of the location of a direct install, as it will be noted. */
  #directCandidate(ref: Ref): Candidate | undefined {
    const { direct } = this.facts;
    const image = direct === undefined ? undefined : offeredRef(direct.offer, formatRef(ref));
    if (direct === undefined || image === undefined) return undefined;
    const { origin } = direct;
    return { image: { ...image, remote: origin.name }, origin: origin.name, newRemote: origin };
  }

  /** An image of a remote, which may have to be made for it. */
  candidateOf(image: RemoteRef): Candidate {
    return { image, origin: image.remote, newRemote: this.facts.newRemotes.get(image.remote) };
  }

  /** A ref in a remote that is configured, or the location of a direct install. */
  lookUp(origin: string, ref: Ref): Lookup {
    if (this.facts.direct?.origin.name === origin) {
      const candidate = this.#directCandidate(ref);
      return candidate === undefined ? { error: notOffered(origin, ref) } : { candidate };
    }
    const remote = this.facts.remotes.find(({ name }) => name === origin);
    if (remote === undefined) {
      const text = `There is no remote ${JSON.stringify(origin)}, where ${formatRef(ref)} came from`;
      return { error: new DowelError("REMOTE_NOT_FOUND", text) };
    }
    if (remote.disabled) return { reason: `the remote ${remote.name} is disabled` };
    const answer = this.answer(remote, ref.arch);
    if (answer === undefined) return { pending: true };
    if (answer instanceof DowelError) return { error: answer };
    if ("gone" in answer) return { reason: answer.gone };
    const image = offeredRef(answer, formatRef(ref));
    if (image !== undefined) return { candidate: this.candidateOf(image) };
    return { error: notOffered(remote.name, ref) };
  }
}

function notOffered(remote: string, ref: Ref): DowelError {
  return new DowelError("REF_NOT_FOUND", `The remote ${remote} no longer has ${formatRef(ref)}`);
}
