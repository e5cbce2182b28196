// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { closeDescriptors, FixedBuffer } from "../../sys/transfer.ts";

/** What somebody said: undefined for yes, else why not. */
export type Refusal = string | undefined;

/** A message that waits until somebody has said whether it may go on. */
export interface Held {
  readonly buffer: FixedBuffer;
  readonly descriptors: readonly number[];
  decided: boolean;
  refusal: Refusal;
}

/** Messages of one client that wait; those of one name keep their order, since they wait for the same answer. */
export class HeldMessages implements Disposable {
  readonly #held = new Set<Held>();
  #bytes = 0;

  /** Keeps a copy, and owns the descriptors. Throws `LIMIT_EXCEEDED`. */
  add(bytes: Uint8Array, descriptors: readonly number[]): Held {
    if (this.#held.size >= limits.busHeldMessages || this.#bytes + bytes.length > limits.busHeldBytes) {
      closeDescriptors(descriptors);
      throw new DowelError(
        "LIMIT_EXCEEDED",
        `The client has more than ${limits.busHeldMessages} messages or ${limits.busHeldBytes} bytes that wait for consent`,
      );
    }
    const buffer = new FixedBuffer(bytes.length);
    buffer.bytes.set(bytes);
    const held: Held = { buffer, descriptors, decided: false, refusal: undefined };
    this.#held.add(held);
    this.#bytes += bytes.length;
    return held;
  }

  /** Takes the first one that was decided upon; its descriptors are the caller's. */
  takeDecided(): Held | undefined {
    for (const held of this.#held) {
      if (!held.decided) continue;
      this.#held.delete(held);
      this.#bytes -= held.buffer.bytes.length;
      return held;
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    for (const { descriptors } of this.#held) closeDescriptors(descriptors);
    this.#held.clear();
  }
}
