// SPDX-License-Identifier: Apache-2.0
import type { Transform } from "node:stream";

/** What all streams of node:zlib are; `bytesWritten` counts the input that was used. */
type ZlibEngine = Transform & { readonly bytesWritten: number };

/** Chunks of exactly `size` bytes, the last one excepted; copies only what is not there in one piece. */
export async function* regroup(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let group = new Uint8Array(0);
  let have = 0;
  for await (const chunk of source) {
    let at = 0;
    while (at < chunk.length) {
      if (have === 0 && chunk.length - at >= size) {
        yield chunk.subarray(at, at + size);
        at += size;
        continue;
      }
      if (have === 0) group = new Uint8Array(size);
      const part = chunk.subarray(at, at + size - have);
      group.set(part, have);
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
