// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import type { InterfaceShape } from "../../dbus/interface.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { pollFor } from "../../sys/epoll.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { Source } from "./source.ts";

const shape = {
  name: "org.freedesktop.portal.MemoryMonitor",
  methods: {},
  signals: { LowMemoryWarning: "y level" },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

/** 0.2 s of 2 s in which some process waited for memory; other windows are for root alone (Linux, accounting/psi.rst). */
const trigger = "some 200000 2000000\0";
/** Where the kernel takes no triggers, it is asked this often. */
const lookMilliseconds = 5000;
const leastWarning = 50;

/** The level of GMemoryMonitor for the text of a `memory.pressure`: 0 is none, 50 low, 100 medium, 255 critical. Pure. */
export function warningOf(text: string): number {
  const share = (kind: string): number => Number(new RegExp(`^${kind} avg10=([0-9.]+)`, "m").exec(text)?.[1] ?? 0);
  if (share("full") >= 20) return 255;
  if (share("some") >= 30) return 100;
  return share("some") >= 5 ? leastWarning : 0;
}

function pressure(path: string): number {
  try {
    return warningOf(readFileSync(path, "latin1"));
  } catch {
    return 0;
  }
}

/** Calls a function with a level when the kernel says that memory is short. */
function watchPressure(loop: EventLoop, path: string, tell: (level: number) => void): Disposable {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    writeSync(fd, trigger);
    const watch = loop.watch(fd, pollFor.priority, () => tell(Math.max(leastWarning, pressure(path))));
    const open = fd;
    return {
      [Symbol.dispose]: () => {
        watch[Symbol.dispose]();
        closeSync(open);
      },
    };
  } catch {
    if (fd !== undefined) closeSync(fd);
  }
  let timer: Disposable;
  const look = (): void => {
    timer = loop.after(lookMilliseconds, look);
    const level = pressure(path);
    if (level > 0) tell(level);
  };
  look();
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

/** Warns of too little memory, by the pressure that the kernel measures. @param path of the machine's or a group's pressure */
export function memoryPortal({ loop }: BackendServices, path = "/proc/pressure/memory") {
  const source = new Source<number>((tell) => watchPressure(loop, path, tell));
  return definePortal(shape, desktopPortal, ({ emit, ended }) => {
    source.listen((level) => emit(shape, "LowMemoryWarning", [level]), ended);
    return { methods: {}, properties: { version: () => 1 } };
  });
}
