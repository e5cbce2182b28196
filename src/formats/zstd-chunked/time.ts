// SPDX-License-Identifier: Apache-2.0
import type { TarTime } from "../tar/entry.ts";

const pattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Reads a time of RFC 3339 with any offset from UTC; undefined where it is none. */
export function parseTime(text: string): TarTime | undefined {
  const [whole, year, month, day, hours, minutes, seconds, fraction, sign, offsetHours, offsetMinutes] =
    pattern.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hours), Number(minutes), Number(seconds));
  const isReal = date.toISOString().startsWith(whole.slice(0, 19));
  if (!isReal || Number(offsetHours ?? 0) > 23 || Number(offsetMinutes ?? 0) > 59) return undefined;
  const offset = (Number(offsetHours ?? 0) * 60 + Number(offsetMinutes ?? 0)) * 60 * (sign === "-" ? -1 : 1);
  return { seconds: date.getTime() / 1000 - offset, nanoseconds: Number((fraction ?? "").padEnd(9, "0")) };
}

/** What writers in Go put for a time that is not set: the first instant of the year 1. */
export function isUnset(time: TarTime): boolean {
  return time.seconds === -62_135_596_800 && time.nanoseconds === 0;
}

/** Writes a time in UTC; undefined for years that RFC 3339 does not have. */
export function formatTime({ seconds, nanoseconds }: TarTime): string | undefined {
  const date = new Date(seconds * 1000);
  const year = date.getUTCFullYear();
  if (!(year >= 1 && year <= 9999)) return undefined;
  const fraction = nanoseconds === 0 ? "" : `.${String(nanoseconds).padStart(9, "0").replace(/0+$/, "")}`;
  return `${date.toISOString().slice(0, 19)}${fraction}Z`;
}
