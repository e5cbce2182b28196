// SPDX-License-Identifier: Apache-2.0
import type { Transform } from "node:stream";

/** What all streams of node:zlib are; `bytesWritten` counts the input that was used. */
type ZlibEngine = Transform & { readonly bytesWritten: number };

/** Chunks of exactly `size` bytes, the last one excepted; copies only what is not there in one piece. */
export async function* regroup(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let group: Uint8Array = new Uint8Array(0);
  let have = 0;
  for await (const chunk of source) {
    let at = 0;
    while (at < chunk.length) {
      if (have === 0 && chunk.length - at >= size) {
        yield chunk.subarray(at, at + size);
        at += size;
        continue;
      }
      const part = chunk.subarray(at, at + size - have);
      if (have === 0) {
        // often the only one, so no larger than it is
        group = new Uint8Array(part);
      } else {
        if (group.length < size) group = enlarged(group, size);
        group.set(part, have);
      }
      have += part.length;
      at += part.length;
      if (have === size) {
        have = 0;
        yield group;
      }
    }
  }
  if (have > 0) yield group.subarray(0, have);
}

function enlarged(bytes: Uint8Array, size: number): Uint8Array {
  const larger = new Uint8Array(size);
  larger.set(bytes);
  return larger;
}

/** The same chunks; while one of them is used, the next one is already asked for: the source must not reuse memory. */
export async function* ahead(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  try {
    for (let next = chunks.next(); ; ) {
      const result = await next;
      if (result.done === true) return;
      next = chunks.next();
      // an error is thrown where its chunk would have come, or nobody wants to know it any more
      next.catch(() => undefined);
      yield result.value;
    }
  } finally {
    await chunks.return?.();
  }
}

/**
 * Sends a stream through an engine of node:zlib, one chunk in flight, and yields what comes out. Rejects with the
 * error of the source or of the engine; `unread` is called where the engine ends and leaves some of its input.
 */
export async function* pump(
  source: AsyncIterable<Uint8Array>,
  engine: ZlibEngine,
  unread: () => never,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  let failure: { readonly error: unknown } | undefined;
  let wake = (): void => undefined;
  engine.once("close", () => wake());
  // an engine that is destroyed may report so after the loop below has been left
  engine.on("error", () => undefined);
  const feed = async (): Promise<void> => {
    try {
      for await (const chunk of source) {
        sent += chunk.length;
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (engine.destroyed) resolve();
          else engine.write(chunk, () => resolve());
        });
        if (engine.destroyed) return;
      }
      engine.end();
    } catch (error) {
      failure = { error };
      engine.destroy();
    }
  };
  const feeding = feed();
  try {
    for await (const chunk of engine) yield chunk;
  } catch (error) {
    throw failure === undefined ? error : failure.error;
  } finally {
    engine.destroy();
    await feeding;
  }
  if (failure !== undefined) throw (failure as { readonly error: unknown }).error;
  if (engine.bytesWritten !== sent) unread();
}
