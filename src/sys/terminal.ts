// SPDX-License-Identifier: Apache-2.0
// What ioctl_tty(2) says. The engine's own `process.stdin` and its like are streams, whose making costs a third of a start.
import { libc, ptr } from "./libc.ts";

const TCGETS = 0x5401;
const TIOCGWINSZ = 0x5413;

/** Whether a descriptor is a terminal, as isatty(3). */
export function isTerminal(fd: number): boolean {
  return libc.ioctl(fd, TCGETS, ptr(new Uint8Array(64))) === 0;
}

/** Columns of a terminal; undefined where there is none, or where it does not know. */
export function terminalWidth(fd: number): number | undefined {
  const size = new Uint16Array(4);
  const columns = libc.ioctl(fd, TIOCGWINSZ, ptr(size)) === 0 ? size[1] : undefined;
  return columns === 0 ? undefined : columns;
}
