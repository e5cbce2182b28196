// SPDX-License-Identifier: Apache-2.0

/**
 * Every error code a user can meet, with one line that says what it means.
 * A code is never given a second meaning and never removed, because people search for them.
 */
const errorCodes = {
  // command line
  USAGE: "The command line is wrong",
  ABORTED: "The operation was cancelled",
  NOT_PERMITTED: "The operation needs rights that the caller does not have",
  UNSUPPORTED: "This kernel, machine or build lacks what the operation needs",
  // text formats
  KEYFILE_SYNTAX: "A keyfile is malformed",
  JSON_SYNTAX: "A JSON text is malformed",
  YAML_SYNTAX: "A YAML text is malformed",
  XML_INVALID: "An XML document is malformed",
  SCHEMA: "A document has a wrong type, a missing key or an unknown key",
  // binary formats
  TAR_INVALID: "A tar archive is malformed",
  TAR_UNSAFE: "A tar archive holds an entry that must not be unpacked",
  COMPRESSION_INVALID: "Compressed data is damaged or cut short",
  ZSTD_CHUNKED_INVALID: "A zstd:chunked layer, its table of contents or its tar-split data is malformed",
  DELTA_INVALID: "A delta between two layers is malformed or does not fit",
  COMPOSEFS_INVALID: "A composefs image or dump is malformed",
  ELF_INVALID: "An ELF file is malformed",
  LIMIT_EXCEEDED: "An input is larger than a named limit allows",
  // names
  REF_INVALID: "A ref, id, branch or architecture is malformed",
  DIGEST_INVALID: "A digest is malformed or of an unknown algorithm",
  IMAGE_REFERENCE_INVALID: "The name of an image is malformed",
  VERSION_REQUIRED: "An app or runtime needs a newer version of Flatpak than this program is equal to",
  METADATA_INVALID: "The metadata of an app or runtime is malformed",
  // images and registries
  DIGEST_MISMATCH: "Content does not have the digest that it should have",
  OCI_LAYOUT_INVALID: "An OCI layout folder or archive is malformed",
  OCI_MANIFEST_INVALID: "A manifest, index or config is malformed",
  OCI_PLATFORM_MISSING: "An image index has nothing for this platform",
  IMAGE_UNSUITABLE: "An image is not an app or runtime that can be installed",
  REGISTRY_UNREACHABLE: "A registry does not answer",
  REGISTRY_RESPONSE: "A registry answers something that makes no sense",
  REGISTRY_AUTH: "A registry refuses the credentials, or asks for some",
  AUTHENTICATOR_UNREACHABLE: "The program that logs in to a remote is not there or does not answer",
  AUTHENTICATOR_REFUSED: "The program that logs in to a remote gives no access",
  AUTHENTICATOR_ANSWER: "The program that logs in to a remote answers something that makes no sense",
  CREDENTIALS_NOT_FOUND: "No credentials are kept for that registry",
  CREDENTIAL_HELPER: "A program that keeps credentials failed",
  REGISTRY_NOT_FOUND: "A registry does not have what was asked for",
  REGISTRY_REFUSED: "A registry refuses the request",
  TRANSFER_INCOMPLETE: "A transfer ended before all bytes had come",
  // trust
  SIGNATURE_MISSING: "An image has no signature that its policy asks for",
  SIGNATURE_INVALID: "A signature or what it says is malformed",
  SIGNATURE_REFUSED: "No signature of an image satisfies its policy",
  ATTESTATION_MISSING: "Nothing was said of an image in the form that was asked for",
  ATTESTATION_INVALID: "What was said of an image is malformed",
  POLICY_INVALID: "A policy file is malformed",
  POLICY_REFUSED: "The policy lets no image in from that place",
  KEY_INVALID: "A key or certificate cannot be used",
  // store and transactions
  STORE_INVALID: "An installation is damaged",
  STORE_LOCKED: "Another process is changing this installation",
  STORE_VERSION: "An installation was made by a version that this one does not know",
  NO_SPACE: "The file system is full or the quota is used up",
  REMOTE_NOT_FOUND: "There is no remote of that name",
  REMOTE_EXISTS: "A remote of that name exists already",
  REMOTE_USED: "A remote still has installed refs",
  REF_NOT_FOUND: "No remote has that ref",
  REF_AMBIGUOUS: "Several refs match",
  NOT_INSTALLED: "The ref is not installed",
  ALREADY_INSTALLED: "The ref is installed already",
  RUNTIME_NOT_FOUND: "The runtime that an app needs cannot be found",
  RUNTIME_USED: "Installed apps still need the runtime",
  NOT_CACHED: "What may not be fetched is not here",
  PLAN_CHANGED: "What was agreed to is not what would be done now",
  TRANSACTION_FAILED: "Several operations of a transaction failed",
  EXTRA_DATA: "What an app fetches from elsewhere cannot be had or prepared, or is not what it should be",
  EXPORT_INVALID: "A file that an app exports is malformed or not allowed",
  // running
  SANDBOX_INVALID: "A sandbox specification cannot be carried out",
  SANDBOX_FAILED: "The sandbox could not be set up",
  INSTANCE_NOT_FOUND: "No running app fits",
  PARENT_INVALID: "A process is not one of a running sandbox that the new one can join",
  PLAN_INVALID: "A plan for the launcher is malformed",
  PERMISSION_INVALID: "A permission is malformed or unknown",
  BUS_CALL_FAILED: "A call on the message bus failed or was not answered",
  APP_RUNNING: "An app runs and uses what would be changed",
  DATA_NOT_FOUND: "An app has no data of that name",
  DATA_EXISTS: "An app has data of that name already",
  DATA_ARCHIVE_INVALID: "An archive of an app's data is malformed or of another app",
  HOST_PATH_UNSAFE: "A path in the user's data leads elsewhere through a link",
  LIBRARY_INVALID: "A folder cannot be picked for an app, or the list of those that are is malformed",
  LIBRARY_NOT_FOUND: "A folder was not picked for an app",
  TIMERS_INVALID: "The list of an app's timers is malformed",
  TIMER_NOT_FOUND: "The app has no such timer",
  PERMISSION_TABLE_DAMAGED: "A file of the permission store is malformed",
  PERMISSION_NOT_FOUND: "The permission store has no such entry",
  DOCUMENT_PORTAL_MISSING: "No document portal runs or can be started in the session",
  DOCUMENT_UNSUPPORTED: "A file cannot be exported by mounts, without a document portal",
  DOCUMENT_NOT_SHOWN: "A running app does not follow a change of what is exported to it",
  DOCUMENT_NOT_FOUND: "A file is not exported",
  // buses
  GVARIANT_INVALID: "A value in GLib's serialised form is malformed",
  GVDB_INVALID: "A table of GLib's form on disk is malformed",
  DBUS_INVALID: "A D-Bus message, match rule, name or address is malformed",
  DBUS_AUTH: "A client or a bus did not authenticate as it should",
  BUS_UNREACHABLE: "A bus cannot be reached",
  SESSION_PROTOCOL: "A message to or from the session service is malformed",
  SOUND_PROTOCOL: "A message of the sound server's protocol is malformed",
  SESSION_RUNNING: "The session service runs already",
  SESSION_UNREACHABLE: "The session service does not answer",
  SYSTEM_UNREACHABLE: "The system service does not answer",
  SYSTEM_PROTOCOL: "A message to or from the system service is malformed",
  // building
  MANIFEST_INVALID: "A build manifest is malformed",
  SOURCE_FETCH: "A source could not be fetched",
  SOURCE_INVALID: "A source does not have the content that it should have",
  BUILD_FAILED: "A build step failed",
  RECIPE_FAILED: "A runtime could not be made from its packages",
  TOOL_MISSING: "A program that the operation needs is not installed",
  // the system
  IO: "A file could not be read or written",
} as const;

export type ErrorCode = keyof typeof errorCodes;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorCodes, text);
}
