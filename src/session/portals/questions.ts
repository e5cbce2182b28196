// SPDX-License-Identifier: Apache-2.0

/**
 * Questions that are put to a person, one after the other for each app and kind: however many requests an app makes, there
 * is one dialog, and a no answers all that wait behind it.
 */
export class Questions {
  readonly #last = new Map<string, Promise<boolean>>();

  /** Asks in its turn; what was given up before is not asked. Answers false where the question cannot be put. */
  async ask(app: string, kind: string, signal: AbortSignal, question: () => Promise<boolean>): Promise<boolean> {
    const key = `${app} ${kind}`;
    const turn = this.#inTurn(this.#last.get(key), signal, question);
    const goesOn = turn.then(
      (answer) => answer || signal.aborted,
      () => signal.aborted,
    );
    this.#last.set(key, goesOn);
    try {
      return (await turn) && !signal.aborted;
    } finally {
      if (this.#last.get(key) === goesOn) this.#last.delete(key);
    }
  }

  async #inTurn(
    before: Promise<boolean> | undefined,
    signal: AbortSignal,
    question: () => Promise<boolean>,
  ): Promise<boolean> {
    const goesOn = (await before) ?? true;
    return goesOn && !signal.aborted && (await question());
  }
}
