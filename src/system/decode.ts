// SPDX-License-Identifier: Apache-2.0
import { Decoder, type JsonObject } from "../base/decode.ts";
import { DowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { NewRemote } from "../engine/types.ts";
import { formatRef, isValidArch, parseRef } from "../metadata/ref.ts";
import { checkRemoteName, type RemoteSettings, settingNames } from "../remotes/settings.ts";
import { type VerifyChoice, verifyKinds } from "../remotes/trust/choice.ts";
import { parseSubpaths } from "../store/image/subset.ts";
import type {
  AcceptedOperation,
  AskedFor,
  PlainChange,
  SentOptions,
  SystemChange,
  TransactionChange,
} from "./change.ts";

const decoder: Decoder = new Decoder("SCHEMA", "the change");

/** An object with no other keys than those given. */
function exact(value: unknown, path: string, keys: readonly string[]): JsonObject {
  const object = decoder.object(value, path);
  const other = Object.keys(object).find((key) => !keys.includes(key));
  if (other !== undefined) decoder.fail(path, `an object without ${JSON.stringify(other)}`);
  return object;
}

function list<T>(value: unknown, path: string, read: (item: unknown, path: string) => T): readonly T[] {
  const items = decoder.array(value, path);
  if (items.length > limits.changeItems) decoder.fail(path, `a list of at most ${limits.changeItems}`);
  return items.map((item, at) => read(item, `${path}[${at}]`));
}

const text = (value: unknown, path: string): string => decoder.string(value, path);
const optionalText = (value: unknown, path: string): string | undefined =>
  decoder.optional(value, (present) => text(present, path));
const flag = (value: unknown, path: string): boolean => value !== undefined && decoder.boolean(value, path);

/** A whole ref in its one spelling. */
function ref(value: unknown, path: string): string {
  return formatRef(parseRef(text(value, path)));
}

function arch(value: unknown, path: string): string | undefined {
  const name = optionalText(value, path);
  if (name !== undefined && !isValidArch(name)) decoder.fail(path, "an architecture");
  return name;
}

function remoteName(value: unknown, path: string): string {
  const name = text(value, path);
  checkRemoteName(name);
  return name;
}

function digest(value: unknown, path: string): string {
  const hex = text(value, path);
  if (!/^[0-9a-f]{64}$/.test(hex)) decoder.fail(path, "64 hex digits");
  return hex;
}

function settings(value: unknown, path: string): RemoteSettings {
  const { texts, flags } = settingNames;
  const object = exact(value, path, [...texts, ...flags, "priority", "authenticatorOptions"]);
  const result: Record<string, unknown> = {};
  for (const name of texts) if (name in object) result[name] = text(object[name], `${path}.${name}`);
  for (const name of flags) if (name in object) result[name] = decoder.boolean(object[name], `${path}.${name}`);
  const { priority, authenticatorOptions } = object;
  if (priority !== undefined) {
    if (!Number.isSafeInteger(priority)) decoder.fail(`${path}.priority`, "a whole number");
    result["priority"] = priority;
  }
  if (authenticatorOptions !== undefined) {
    result["authenticatorOptions"] = decoder.stringMap(authenticatorOptions, `${path}.authenticatorOptions`);
  }
  return result;
}

function bytes(value: unknown, path: string): Uint8Array {
  const encoded = text(value, path);
  if (encoded.length > 2 * limits.policyBytes) decoder.fail(path, `at most ${limits.policyBytes} bytes`);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) decoder.fail(path, "base64");
  return Buffer.from(encoded, "base64");
}

function verify(value: unknown): VerifyChoice | undefined {
  if (value === undefined) return undefined;
  const object = exact(value, "verify", ["kind", "keys", "issuer", "subject", "authority", "log"]);
  const kind = verifyKinds.find((known) => known === object["kind"]);
  if (kind === undefined) decoder.fail("verify.kind", `one of ${verifyKinds.join(", ")}`);
  return {
    kind,
    keys: list(object["keys"], "verify.keys", bytes),
    issuer: optionalText(object["issuer"], "verify.issuer"),
    subject: optionalText(object["subject"], "verify.subject"),
    authority: optionalBytes(object["authority"], "verify.authority"),
    log: list(object["log"], "verify.log", bytes),
  };
}

function optionalBytes(value: unknown, path: string): Uint8Array | undefined {
  return decoder.optional(value, (present) => bytes(present, path));
}

function newRemote(value: unknown, path: string): NewRemote {
  const object = exact(value, path, ["name", "url", "settings", "gpgKey"]);
  const head = { name: remoteName(object["name"], `${path}.name`), url: text(object["url"], `${path}.url`) };
  const given = decoder.optional(object["settings"], (present) => settings(present, `${path}.settings`));
  const gpgKey = optionalBytes(object["gpgKey"], `${path}.gpgKey`);
  return given === undefined ? { ...head, gpgKey } : { ...head, settings: given, gpgKey };
}

function asked(value: unknown, path: string): AskedFor {
  const object = exact(value, path, ["kind", "ref", "remote"]);
  const { kind } = object;
  const name = ref(object["ref"], `${path}.ref`);
  if (kind === "install") return { kind, ref: name, remote: remoteName(object["remote"], `${path}.remote`) };
  if (kind === "update" || kind === "uninstall") return { kind, ref: name };
  return decoder.fail(`${path}.kind`, "install, update or uninstall");
}

function accepted(value: unknown, path: string): AcceptedOperation {
  const object = exact(value, path, ["operation", "ref", "commit", "origin"]);
  const operation = object["operation"];
  if (operation !== "install" && operation !== "update" && operation !== "uninstall") {
    return decoder.fail(`${path}.operation`, "install, update or uninstall");
  }
  return {
    operation,
    ref: ref(object["ref"], `${path}.ref`),
    commit: digest(object["commit"], `${path}.commit`),
    origin: text(object["origin"], `${path}.origin`),
  };
}

const optionNames = [
  ...["noDeps", "noRelated", "orUpdate", "reinstall", "noAutoPin", "includeSdk", "includeDebug"],
  ...["forceRemove", "removesAll", "holdGrowth"],
];

function options(value: unknown): SentOptions {
  const object = exact(value, "options", [...optionNames, "subpaths", "declined"]);
  const switches = optionNames.map((name) => [name, flag(object[name], `options.${name}`)] as const);
  const subpaths = decoder.optional(object["subpaths"], (paths) =>
    parseSubpaths(list(paths, "options.subpaths", text)),
  );
  const declined = new Set(list(object["declined"], "options.declined", ref));
  return { ...Object.fromEntries(switches), subpaths, declined };
}

function direct(value: unknown): TransactionChange["direct"] {
  if (value === undefined) return undefined;
  const object = exact(value, "direct", ["location", "origin"]);
  return {
    location: text(object["location"], "direct.location"),
    origin: newRemote(object["origin"], "direct.origin"),
  };
}

function transaction(object: JsonObject): TransactionChange {
  exact(object, "", [
    ...["kind", "requests", "options", "accepted", "direct", "newRemotes", "noPull", "noDeploy", "keepVersions"],
  ]);
  const keepVersions = decoder.optional(object["keepVersions"], (count) => decoder.size(count, "keepVersions"));
  if (keepVersions !== undefined && keepVersions > limits.keptVersions) {
    decoder.fail("keepVersions", `at most ${limits.keptVersions}`);
  }
  const agreed = list(object["accepted"], "accepted", accepted);
  // It would need no right, and still have remotes asked.
  if (agreed.length === 0) decoder.fail("accepted", "at least one operation");
  return {
    kind: "transaction",
    requests: list(object["requests"], "requests", asked),
    options: options(object["options"]),
    accepted: agreed,
    direct: direct(object["direct"]),
    newRemotes: list(object["newRemotes"], "newRemotes", newRemote),
    noPull: flag(object["noPull"], "noPull"),
    noDeploy: flag(object["noDeploy"], "noDeploy"),
    keepVersions,
  };
}

type Reader<K extends SystemChange["kind"]> = (object: JsonObject) => Extract<SystemChange, { kind: K }>;

const readers: { readonly [K in PlainChange["kind"]]: Reader<K> } = {
  "remote-add": (object) => {
    exact(object, "", ["kind", "name", "settings", "ifNotExists", "verify", "gpgKey"]);
    const given = settings(object["settings"], "settings");
    const { url = decoder.fail("settings.url", "a string") } = given;
    const name = remoteName(object["name"], "name");
    const ifNotExists = flag(object["ifNotExists"], "ifNotExists");
    const trust = { verify: verify(object["verify"]), gpgKey: optionalBytes(object["gpgKey"], "gpgKey") };
    return { kind: "remote-add", name, settings: { ...given, url }, ifNotExists, ...trust };
  },
  "remote-modify": (object) => {
    exact(object, "", ["kind", "name", "settings", "verify"]);
    const name = remoteName(object["name"], "name");
    const given = settings(object["settings"], "settings");
    return { kind: "remote-modify", name, settings: given, verify: verify(object["verify"]) };
  },
  "remote-delete": (object) => {
    exact(object, "", ["kind", "name", "force"]);
    return { kind: "remote-delete", name: remoteName(object["name"], "name"), force: flag(object["force"], "force") };
  },
  config: (object) => {
    exact(object, "", ["kind", "key", "value"]);
    return { kind: "config", key: text(object["key"], "key"), value: optionalText(object["value"], "value") };
  },
  patterns: (object) => {
    exact(object, "", ["kind", "list", "patterns", "remove"]);
    const which = object["list"];
    if (which !== "masked" && which !== "pinned") return decoder.fail("list", "masked or pinned");
    const patterns = list(object["patterns"], "patterns", text);
    return { kind: "patterns", list: which, patterns, remove: flag(object["remove"], "remove") };
  },
  switch: (object) => {
    exact(object, "", ["kind", "ref", "commit"]);
    return { kind: "switch", ref: ref(object["ref"], "ref"), commit: digest(object["commit"], "commit") };
  },
  "make-current": (object) => {
    exact(object, "", ["kind", "id", "branch", "arch"]);
    const branch = optionalText(object["branch"], "branch");
    return { kind: "make-current", id: text(object["id"], "id"), branch, arch: arch(object["arch"], "arch") };
  },
  appstream: (object) => {
    exact(object, "", ["kind", "remote", "arch"]);
    const remote = decoder.optional(object["remote"], (name) => remoteName(name, "remote"));
    return { kind: "appstream", remote, arch: arch(object["arch"], "arch") };
  },
  mount: (object) => {
    exact(object, "", ["kind", "image"]);
    return { kind: "mount", image: digest(object["image"], "image") };
  },
  repair: (object) => {
    exact(object, "", ["kind", "dryRun", "reinstallAll"]);
    const reinstallAll = flag(object["reinstallAll"], "reinstallAll");
    return { kind: "repair", dryRun: flag(object["dryRun"], "dryRun"), reinstallAll };
  },
  preinstalled: (object) => {
    exact(object, "", ["kind"]);
    return { kind: "preinstalled" };
  },
};

/**
 * Reads a change that somebody else's process sent. Throws `SCHEMA` for what is malformed or unknown, `REF_INVALID`,
 * `USAGE` for the name of a remote, and `LIMIT_EXCEEDED`.
 */
export function decodeChange(json: string): SystemChange {
  if (json.length > limits.changeBytes) {
    throw new DowelError("LIMIT_EXCEEDED", `A change of ${json.length} bytes; at most ${limits.changeBytes} are taken`);
  }
  const object = decoder.object(decoder.parse(json), "");
  const { kind } = object;
  if (kind === "transaction") return transaction(object);
  const reader =
    typeof kind === "string" && Object.hasOwn(readers, kind) ? readers[kind as PlainChange["kind"]] : undefined;
  return reader === undefined ? decoder.fail("kind", "a known change") : reader(object);
}
