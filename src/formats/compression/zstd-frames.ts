// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";

type State = "magic" | "skippable" | "descriptor" | "header" | "block";

/**
 * Follows the frames of a zstd stream (RFC 8878, 3.1) as it passes by: headers of frames and blocks, not what the
 * blocks hold. The decoder of the runtime takes a stream that ends inside a frame for complete; this does not.
 */
export class ZstdFrames {
  #state: State = "magic";
  #need = 4;
  #skip = 0;
  #offset = 0;
  #frames = 0;
  #descriptor = 0;
  readonly #head = new Uint8Array(16);
  #have = 0;

  /** Looks at the next bytes. Throws COMPRESSION_INVALID with the offset, or LIMIT_EXCEEDED. */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const passed = Math.min(this.#skip, chunk.length - at);
        this.#skip -= passed;
        this.#offset += passed;
        at += passed;
        continue;
      }
      this.#head[this.#have++] = chunk[at++] ?? 0;
      this.#offset++;
      if (this.#have === this.#need) this.#advance();
    }
  }

  /** Says that the stream has ended. Throws COMPRESSION_INVALID where that is not between two frames. */
  finish(): void {
    if (this.#state === "magic" && this.#have === 0 && this.#skip === 0 && this.#frames > 0) return;
    throw this.#invalid("the stream ends inside a frame");
  }

  #advance(): void {
    const view = new DataView(this.#head.buffer, 0, this.#have);
    this.#have = 0;
    switch (this.#state) {
      case "magic":
        this.#startFrame(view.getUint32(0, true));
        break;
      case "skippable":
        this.#expect("magic", 4, view.getUint32(0, true));
        break;
      case "descriptor":
        this.#descriptor = view.getUint8(0);
        if ((this.#descriptor & 0x08) !== 0) throw this.#invalid("a reserved bit of a frame header is set");
        this.#expect("header", headerSize(this.#descriptor), 0);
        break;
      case "header":
        this.#checkWindow(view);
        this.#expect("block", 3, 0);
        break;
      case "block":
        this.#startBlock(view.getUint8(0) | (view.getUint8(1) << 8) | (view.getUint8(2) << 16));
        break;
    }
  }

  #expect(state: State, need: number, skip: number): void {
    this.#state = state;
    this.#need = need;
    this.#skip = skip;
  }

  #startFrame(magic: number): void {
    this.#frames++;
    if (magic === 0xfd2fb528) this.#expect("descriptor", 1, 0);
    else if (magic >= 0x184d2a50 && magic <= 0x184d2a5f) this.#expect("skippable", 4, 0);
    else throw this.#invalid("there must be a frame");
  }

  #startBlock(header: number): void {
    const type = (header >> 1) & 3;
    if (type === 3) throw this.#invalid("a block of a reserved type");
    const size = type === 1 ? 1 : header >> 3;
    const checksum = (this.#descriptor & 0x04) === 0 ? 0 : 4;
    if ((header & 1) === 0) this.#expect("block", 3, size);
    else this.#expect("magic", 4, size + checksum);
  }

  #checkWindow(view: DataView): void {
    const window = isSingleSegment(this.#descriptor)
      ? contentSize(this.#descriptor, view)
      : windowSize(view.getUint8(0));
    if (window > limits.zstdWindowBytes) {
      const most = limits.zstdWindowBytes;
      throw new DowelError(
        "LIMIT_EXCEEDED",
        `zstd data, offset ${this.#offset - this.#have}: a window of ${window} bytes; at most ${most} are allowed`,
      );
    }
  }

  #invalid(text: string): DowelError {
    return new DowelError("COMPRESSION_INVALID", `zstd data, offset ${this.#offset - this.#have}: ${text}`);
  }
}

function isSingleSegment(descriptor: number): boolean {
  return (descriptor & 0x20) !== 0;
}

const dictionarySizes = [0, 1, 2, 4] as const;

function contentSizeBytes(descriptor: number): number {
  const flag = descriptor >> 6;
  if (flag === 0) return isSingleSegment(descriptor) ? 1 : 0;
  return 1 << flag;
}

/** The bytes of a frame header after its descriptor. */
function headerSize(descriptor: number): number {
  const window = isSingleSegment(descriptor) ? 0 : 1;
  return window + (dictionarySizes[descriptor & 3] ?? 0) + contentSizeBytes(descriptor);
}

function contentSize(descriptor: number, header: DataView): number {
  const bytes = contentSizeBytes(descriptor);
  const at = header.byteLength - bytes;
  if (bytes === 1) return header.getUint8(at);
  if (bytes === 2) return header.getUint16(at, true) + 256;
  return bytes === 4 ? header.getUint32(at, true) : Number(header.getBigUint64(at, true));
}

function windowSize(byte: number): number {
  const base = 2 ** (10 + (byte >> 3));
  return base + (base / 8) * (byte & 7);
}
