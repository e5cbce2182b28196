// SPDX-License-Identifier: Apache-2.0

/** What a filter is asked about: `struct seccomp_data` without the instruction pointer. */
export interface Call {
  readonly architecture: number;
  readonly number: number;
  readonly arguments: readonly bigint[];
}

function toData(call: Call): DataView {
  const view = new DataView(new ArrayBuffer(64));
  view.setUint32(0, call.number >>> 0, true);
  view.setUint32(4, call.architecture, true);
  for (const [index, value] of call.arguments.entries()) view.setBigUint64(16 + 8 * index, value, true);
  return view;
}

function conditionHolds(code: number, accumulator: number, k: number): boolean {
  switch (code & 0xf0) {
    case 0x10:
      return accumulator === k;
    case 0x20:
      return accumulator > k;
    case 0x30:
      return accumulator >= k;
    case 0x40:
      return (accumulator & k) >>> 0 !== 0;
    default:
      throw new Error(`Unknown jump ${code.toString(16)}`);
  }
}

/** Runs a seccomp filter as the kernel would and answers its action. Throws for a program that the kernel refuses. */
export function runFilter(program: Uint8Array, call: Call): number {
  return traceFilter(program, call).action;
}

/** The same, with the number of instructions that were carried out. */
export function traceFilter(program: Uint8Array, call: Call): { readonly action: number; readonly steps: number } {
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  const data = toData(call);
  let accumulator = 0;
  let steps = 0;
  for (let at = 0; at * 8 < program.length; at += 1) {
    steps += 1;
    const code = view.getUint16(at * 8, true);
    const k = view.getUint32(at * 8 + 4, true);
    if (code === 0x20) accumulator = data.getUint32(k, true);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x06) return { action: k, steps };
    else if (code === 0x05) at += k;
    else if ((code & 0x07) === 0x05) {
      at += view.getUint8(at * 8 + (conditionHolds(code, accumulator, k) ? 2 : 3));
    } else throw new Error(`Unknown instruction ${code.toString(16)} at ${at}`);
  }
  throw new Error("The program ends without an answer");
}

/** An action in words: which of the two ways of killing is taken makes no difference here. */
export function nameAction(action: number): string {
  if (action === 0x7fff0000) return "allow";
  if (action === 0x80000000 || action === 0) return "kill";
  if (action >>> 16 === 5) return `errno ${action & 0xffff}`;
  return `action ${action.toString(16)}`;
}
