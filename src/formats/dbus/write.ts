// SPDX-License-Identifier: Apache-2.0

/** Builds the bytes of a message in one byte order; every value is aligned to its own size, as D-Bus wants. */
export class ValueWriter {
  readonly #littleEndian: boolean;
  #buffer = new ArrayBuffer(256);
  #view = new DataView(this.#buffer);
  #length = 0;

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  #grow(count: number): void {
    if (this.#length + count <= this.#buffer.byteLength) return;
    const larger = new ArrayBuffer(2 * (this.#length + count));
    new Uint8Array(larger).set(new Uint8Array(this.#buffer, 0, this.#length));
    this.#buffer = larger;
    this.#view = new DataView(larger);
  }

  align(unit: number): this {
    const padded = Math.ceil(this.#length / unit) * unit;
    this.#grow(padded - this.#length);
    this.#length = padded;
    return this;
  }

  byte(value: number): this {
    this.#grow(1);
    this.#view.setUint8(this.#length++, value);
    return this;
  }

  uint32(value: number): this {
    this.align(4).#grow(4);
    this.#view.setUint32(this.#length, value, this.#littleEndian);
    this.#length += 4;
    return this;
  }

  /** Writes a number of up to 8 bytes, aligned to them. */
  number(bytes: number, put: (view: DataView, at: number, littleEndian: boolean) => void): this {
    this.align(bytes).#grow(bytes);
    put(this.#view, this.#length, this.#littleEndian);
    this.#length += bytes;
    return this;
  }

  /** Writes an array: its length in bytes, then what `write` writes, aligned to `unit`. */
  array(unit: number, write: () => void): this {
    const lengthAt = this.uint32(0).#length - 4;
    const start = this.align(unit).#length;
    write();
    this.#view.setUint32(lengthAt, this.#length - start, this.#littleEndian);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#grow(value.length);
    new Uint8Array(this.#buffer).set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  string(text: string): this {
    const encoded = Buffer.from(text, "utf8");
    return this.uint32(encoded.length).bytes(encoded).byte(0);
  }

  signature(text: string): this {
    return this.byte(text.length).bytes(Buffer.from(text, "latin1")).byte(0);
  }

  strings(texts: readonly string[]): this {
    return this.array(4, () => {
      for (const text of texts) this.string(text);
    });
  }

  finish(): Uint8Array {
    return new Uint8Array(this.#buffer, 0, this.#length);
  }
}

/** The fields that a message has; texts are not checked again. */
export interface MessageFields {
  readonly type: number;
  readonly flags?: number;
  readonly serial: number;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly errorName?: string;
  readonly replySerial?: number;
  readonly destination?: string;
  readonly sender?: string;
  readonly unixFds?: number;
  readonly littleEndian?: boolean;
  /** The body and its signature. */
  readonly signature?: string;
  readonly body?: (writer: ValueWriter) => ValueWriter;
}

function writeFields(fields: MessageFields, littleEndian: boolean): Uint8Array {
  const writer = new ValueWriter(littleEndian);
  const start = (code: number, type: string): ValueWriter => writer.align(8).byte(code).signature(type);
  if (fields.path !== undefined) start(1, "o").string(fields.path);
  if (fields.interface !== undefined) start(2, "s").string(fields.interface);
  if (fields.member !== undefined) start(3, "s").string(fields.member);
  if (fields.errorName !== undefined) start(4, "s").string(fields.errorName);
  if (fields.replySerial !== undefined) start(5, "u").uint32(fields.replySerial);
  if (fields.destination !== undefined) start(6, "s").string(fields.destination);
  if (fields.sender !== undefined) start(7, "s").string(fields.sender);
  if (fields.signature !== undefined) start(8, "g").signature(fields.signature);
  if (fields.unixFds !== undefined) start(9, "u").uint32(fields.unixFds);
  return writer.finish();
}

/** The bytes of a message ("Message Protocol" of the D-Bus specification). */
export function encodeMessage(message: MessageFields): Uint8Array {
  const littleEndian = message.littleEndian ?? true;
  const fields = writeFields(message, littleEndian);
  const body = message.body?.(new ValueWriter(littleEndian)).finish() ?? new Uint8Array();
  return new ValueWriter(littleEndian)
    .byte(littleEndian ? 0x6c : 0x42)
    .byte(message.type)
    .byte(message.flags ?? 0)
    .byte(1)
    .uint32(body.length)
    .uint32(message.serial)
    .uint32(fields.length)
    .bytes(fields)
    .align(8)
    .bytes(body)
    .finish();
}
