// SPDX-License-Identifier: Apache-2.0
import { DowelError, type ErrorDetails } from "../base/errors.ts";

const prefix = "org.freedesktop.DBus.Error.";

/** Error names of the D-Bus specification and of libdbus that peers answer with. */
export const busErrors = {
  failed: `${prefix}Failed`,
  noReply: `${prefix}NoReply`,
  disconnected: `${prefix}Disconnected`,
  accessDenied: `${prefix}AccessDenied`,
  invalidArguments: `${prefix}InvalidArgs`,
  limitsExceeded: `${prefix}LimitsExceeded`,
  notSupported: `${prefix}NotSupported`,
  unknownObject: `${prefix}UnknownObject`,
  unknownInterface: `${prefix}UnknownInterface`,
  unknownMethod: `${prefix}UnknownMethod`,
  unknownProperty: `${prefix}UnknownProperty`,
  propertyReadOnly: `${prefix}PropertyReadOnly`,
} as const;

/** An error with its name on the bus: what a call was answered with, or what a call is to be answered with. */
export class BusCallError extends DowelError {
  readonly errorName: string;

  constructor(errorName: string, message: string, details: ErrorDetails = {}) {
    super("BUS_CALL_FAILED", message, details);
    this.errorName = errorName;
  }
}
