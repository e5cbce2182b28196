// SPDX-License-Identifier: Apache-2.0
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import { isWellKnownName } from "../../formats/dbus/names.ts";
import { valueAs } from "../../formats/dbus/types.ts";
import type { Keyfile } from "../../formats/keyfile/keyfile.ts";
import type { Options } from "./portal.ts";

/** Flags of `Spawn` (org.freedesktop.portal.Flatpak, version 8). */
export const spawnFlag = {
  clearEnvironment: 1,
  latestVersion: 2,
  sandbox: 4,
  noNetwork: 8,
  watchBus: 16,
  exposePids: 32,
  notifyStart: 64,
  sharePids: 128,
  emptyApp: 256,
} as const;
const allFlags = 511;

/** What `sandbox-flags` gives, each only where the caller has it itself. */
const shares: readonly (readonly [bit: number, key: string, value: string, option: string])[] = [
  [1, "sockets", "wayland", "--socket=wayland"],
  [1, "sockets", "x11", "--socket=x11"],
  [1, "sockets", "fallback-x11", "--socket=fallback-x11"],
  [1, "shared", "ipc", "--share=ipc"],
  [2, "sockets", "pulseaudio", "--socket=pulseaudio"],
  [4, "devices", "dri", "--device=dri"],
  [32, "devices", "input", "--device=input"],
  [64, "devices", "usb", "--device=usb"],
  [128, "devices", "kvm", "--device=kvm"],
  [256, "devices", "shm", "--device=shm"],
  [512, "devices", "all", "--device=all"],
];
const busShares: readonly (readonly [bit: number, option: string])[] = [
  [8, "--session-bus"],
  [16, "--a11y-bus"],
];
const allShares = 1023;

export function invalid(what: string): BusCallError {
  return new BusCallError(busErrors.invalidArguments, what);
}

function decodeBytes(bytes: Uint8Array, what: string): string {
  const end = bytes.at(-1) === 0 ? bytes.length - 1 : bytes.length;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, end);
  if (!text.includes(0) && Buffer.from(text.toString("utf8"), "utf8").equals(text)) return text.toString("utf8");
  throw invalid(`${what} must be UTF-8 without NUL`);
}

/** What an app asks for, read once. */
export interface SpawnRequest {
  readonly cwd: string;
  readonly words: readonly string[];
  readonly flags: number;
  readonly sandboxed: boolean;
  readonly environment: ReadonlyMap<string, string>;
  readonly unset: readonly string[];
  readonly expose: readonly string[];
  readonly exposeReadOnly: readonly string[];
  readonly shares: number;
  readonly a11yNames: readonly string[];
}

function texts(options: Options, key: string): readonly string[] {
  const found = options.get(key);
  const value = valueAs("as", found);
  if (value === undefined && found !== undefined) throw invalid(`${key} must be a list of texts`);
  return value ?? [];
}

/** Names of files directly below the app's `sandbox` folder; what means something to an option of `run` is none. */
function names(options: Options, key: string): readonly string[] {
  const found = texts(options, key);
  const wrong = found.find((name) => !/^[^/:\\\0]+$/.test(name) || name === "." || name === "..");
  if (wrong !== undefined) throw invalid(`${key}: '${wrong}' is no name of a file in the sandbox folder`);
  return found;
}

function variableNames(found: Iterable<string>): readonly string[] {
  return [...found].map((name) => {
    if (name !== "" && !name.includes("=")) return name;
    throw invalid(`'${name}' is no name of a variable`);
  });
}

/** Reads the arguments of `Spawn`. @param sandboxed whether the caller itself runs without its permissions. Throws `InvalidArgs`. */
export function parseSpawn(
  cwd: Uint8Array,
  argv: readonly Uint8Array[],
  env: ReadonlyMap<string, string>,
  flags: number,
  options: Options,
  sandboxed: boolean,
): SpawnRequest {
  if (flags > allFlags) throw invalid(`Unsupported flags in ${flags}`);
  if (argv.length === 0) throw invalid("No command given");
  variableNames(env.keys());
  const found = valueAs("u", options.get("sandbox-flags")) ?? 0;
  if (found > allShares) throw invalid(`Unsupported sandbox-flags in ${found}`);
  return {
    cwd: decodeBytes(cwd, "The working directory"),
    words: argv.map((word) => decodeBytes(word, "A word of the command")),
    flags,
    // A sandbox without permissions makes no other kind of sandbox.
    sandboxed: sandboxed || (flags & spawnFlag.sandbox) !== 0,
    environment: env,
    unset: variableNames(texts(options, "unset-env")),
    expose: names(options, "sandbox-expose"),
    exposeReadOnly: names(options, "sandbox-expose-ro"),
    shares: found,
    a11yNames: texts(options, "sandbox-a11y-own-names"),
  };
}

function has(info: Keyfile, key: string, value: string): boolean {
  return info.getList("Context", key)?.includes(value) === true;
}

/** The version that runs, with the caller's own options; or, for the newest one, whatever is current. */
function identityWords(info: Keyfile, request: SpawnRequest): string[] {
  const own = (key: string): string => info.get("Instance", key) ?? "";
  const runtime = (info.get("Application", "runtime") ?? "").replace(/^runtime\//, "");
  const words = [`--arch=${own("arch")}`, `--branch=${own("branch")}`];
  if ((request.flags & spawnFlag.latestVersion) === 0) {
    words.push(`--commit=${own("app-commit")}`, `--runtime=${runtime}`, `--runtime-commit=${own("runtime-commit")}`);
  }
  if (info.has("Instance", "profile")) words.push(`--profile=${own("profile")}`);
  if (info.getBoolean("Instance", "devel") === true) words.push("--devel");
  return words;
}

/** Names on the accessibility bus that an app may give away are below its own. */
function a11yWords(info: Keyfile, { a11yNames }: SpawnRequest): string[] {
  const own = `${info.get("Application", "name") ?? ""}.`;
  return a11yNames.map((name) => {
    if (isWellKnownName(name) && name.startsWith(own)) return `--a11y-own-name=${name}`;
    throw invalid(`sandbox-a11y-own-names: '${name}' is no name below ${own.slice(0, -1)}`);
  });
}

function sandboxWords(info: Keyfile, request: SpawnRequest): string[] {
  const folder = `${info.get("Instance", "instance-path") ?? ""}/sandbox`;
  const bits = request.shares;
  return [
    "--sandbox",
    ...shares.flatMap(([bit, key, value, option]) => ((bits & bit) !== 0 && has(info, key, value) ? [option] : [])),
    ...busShares.flatMap(([bit, option]) => ((bits & bit) !== 0 ? [option] : [])),
    ...request.expose.map((name) => `--filesystem=${folder}/${name}`),
    ...request.exposeReadOnly.map((name) => `--filesystem=${folder}/${name}:ro`),
    ...a11yWords(info, request),
  ];
}

/**
 * The words of `run` for what an app asks for, up to the app's id. What the new sandbox may do comes from what the launcher
 * noted of the caller's own (`info`); the request can only take away from it. Pure.
 */
export function spawnWords(info: Keyfile, request: SpawnRequest): readonly string[] {
  const { flags } = request;
  const network = has(info, "shared", "network") && (flags & spawnFlag.noNetwork) === 0;
  const extra = request.sandboxed ? sandboxWords(info, request) : (info.getList("Instance", "extra-args") ?? []);
  const [command = ""] = request.words;
  return [
    ...identityWords(info, request),
    ...extra,
    network ? "--share=network" : "--unshare=network",
    ...((flags & spawnFlag.clearEnvironment) === 0 ? [] : ["--clear-env"]),
    ...((flags & spawnFlag.emptyApp) === 0 ? [] : ["--app-path="]),
    ...request.unset.map((name) => `--unset-env=${name}`),
    ...(request.cwd === "" ? [] : [`--cwd=${request.cwd}`]),
    `--command=${command}`,
  ];
}
