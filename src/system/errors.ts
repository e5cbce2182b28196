// SPDX-License-Identifier: Apache-2.0
import { isErrorCode } from "../base/codes.ts";
import { DowelError } from "../base/errors.ts";
import { BusCallError, busErrors } from "../dbus/errors.ts";

const prefix = "org.dowel.Error.";
const hintMark = "\nhint: ";

/** An error as it goes over the bus: the code in the name, the hint as the last line of the text. */
export function toBusError({ code, message, hint }: DowelError): BusCallError {
  return new BusCallError(`${prefix}${code}`, hint === undefined ? message : `${message}${hintMark}${hint}`);
}

/** The error that a call of the service was answered with, as this process would have thrown it. */
export function fromBusError(error: BusCallError): DowelError {
  const { errorName, message } = error;
  if (errorName.startsWith(prefix)) {
    const code = errorName.slice(prefix.length);
    const at = message.lastIndexOf(hintMark);
    const hint = at < 0 ? {} : { hint: message.slice(at + hintMark.length) };
    const text = at < 0 ? message : message.slice(0, at);
    return new DowelError(isErrorCode(code) ? code : "SYSTEM_PROTOCOL", text, { ...hint, cause: error });
  }
  const ended: readonly string[] = [busErrors.noReply, busErrors.disconnected];
  if (ended.includes(errorName)) {
    return new DowelError("SYSTEM_UNREACHABLE", "The system service ended before it had answered", {
      hint: "Run the same command again; it goes on where the service stopped.",
      cause: error,
    });
  }
  const code = errorName === busErrors.accessDenied ? "NOT_PERMITTED" : "SYSTEM_UNREACHABLE";
  return new DowelError(code, `The system service does not take the call: ${message}`, { cause: error });
}
