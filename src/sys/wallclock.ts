// SPDX-License-Identifier: Apache-2.0
import { check, libc, ptr } from "./libc.ts";

const CLOCK_REALTIME = 0;
const TFD_NONBLOCK = 0o4000;
const TFD_CLOEXEC = 0o2000000;
const TFD_TIMER_ABSTIME = 1;
const TFD_TIMER_CANCEL_ON_SET = 2;

/**
 * Opens what becomes readable when the wall clock has come to a time, and when it was set (timerfd_create(2)); it begins
 * without a time. The caller closes it. Throws a `SystemError`.
 */
export function openWallClock(): number {
  return check("timerfd_create", undefined, () => libc.timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC));
}

/** Sets the time, milliseconds since 1970, at once where it has passed; undefined for none. */
export function setWallClock(fd: number, at: number | undefined): void {
  // struct itimerspec: the interval, then the value, both in seconds and nanoseconds.
  const request = new DataView(new ArrayBuffer(32));
  // A value of zero would take the time away.
  const due = at === undefined ? 0 : Math.max(1, Math.ceil(at));
  request.setBigInt64(16, BigInt(Math.floor(due / 1000)), true);
  request.setBigInt64(24, BigInt(due % 1000) * 1_000_000n, true);
  const flags = at === undefined ? 0 : TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  check("timerfd_settime", undefined, () => libc.timerfd_settime(fd, flags, ptr(request), null));
}
