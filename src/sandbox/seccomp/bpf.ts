// SPDX-License-Identifier: Apache-2.0

/** One `struct sock_filter` (linux/filter.h). */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** A piece of a program that ends in a return on every way through it. */
export type Fragment = readonly Instruction[];

const LD_W_ABS = 0x20;
const ALU_AND_K = 0x54;
const JMP_JEQ_K = 0x15;
const JMP_JGE_K = 0x35;
const RET_K = 0x06;
const longestJump = 255;

export const RET_ALLOW = 0x7fff0000;
export const RET_KILL_PROCESS = 0x80000000;

/** Offsets in `struct seccomp_data`, for little-endian machines. */
export const offsets = {
  number: 0,
  architecture: 4,
  low: (argument: number) => 16 + 8 * argument,
  high: (argument: number) => 20 + 8 * argument,
} as const;

export function ret(value: number): Fragment {
  return [{ code: RET_K, jt: 0, jf: 0, k: value }];
}

export function retErrno(errno: number): Fragment {
  return ret(0x00050000 | errno);
}

export function load(offset: number): Instruction {
  return { code: LD_W_ABS, jt: 0, jf: 0, k: offset };
}

export function and(mask: number): Instruction {
  return { code: ALU_AND_K, jt: 0, jf: 0, k: mask };
}

function branch(code: number, k: number, yes: Fragment, no: Fragment): Fragment {
  if (yes.length > longestJump) throw new Error(`A jump over ${yes.length} instructions does not fit into BPF`);
  return [{ code, jt: 0, jf: yes.length, k }, ...yes, ...no];
}

/** Goes to `yes` where the accumulator equals `k`, else to `no`. */
export function ifEqual(k: number, yes: Fragment, no: Fragment): Fragment {
  return branch(JMP_JEQ_K, k, yes, no);
}

/** Goes to `yes` where the accumulator, unsigned, is `k` or more, else to `no`. */
export function ifAtLeast(k: number, yes: Fragment, no: Fragment): Fragment {
  return branch(JMP_JGE_K, k, yes, no);
}

/** The array of `struct sock_filter`, little-endian. */
export function assemble(program: Fragment): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, jt);
    view.setUint8(index * 8 + 3, jf);
    view.setUint32(index * 8 + 4, k, true);
  }
  return bytes;
}
