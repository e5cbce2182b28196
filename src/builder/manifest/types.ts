// SPDX-License-Identifier: Apache-2.0

/** A name in a manifest, and `FILE:LINE:COLUMN: KEY` where it stands. */
export interface Named {
  readonly name: string;
  readonly where: string;
}

/** Extension points by name, each a list of keys and values for the metadata. */
export type ExtensionGroups = ReadonlyMap<string, readonly (readonly [string, string])[]>;

/** An app whose files another app starts from. */
export interface BaseApp extends Named {
  readonly branch: string;
  /** The one version that counts: the digest of its manifest, hex. */
  readonly commit: string | undefined;
  /** Extensions of it whose files come along. */
  readonly extensions: readonly Named[];
}

/** What `id-platform` and the keys beside it say. */
export interface Platform {
  readonly id: string;
  /** Extensions of the runtime that the platform starts from whose files come along. */
  readonly extensions: readonly Named[];
  /** Absolute path of a file that replaces the generated metadata. */
  readonly metadata: string | undefined;
  readonly cleanup: readonly string[];
}

/** A build manifest as read from its files; keys as flatpak-manifest(5) names them. */
export interface Manifest {
  /** Absolute path of the top file. */
  readonly file: string;
  readonly id: string;
  /** `extension`: of the runtime or app that `runtime` names. `runtime`: built from a copy of the Sdk. */
  readonly kind: "app" | "extension" | "runtime";
  /** The smaller runtime that is derived from one that is built; undefined for none. */
  readonly platform: Platform | undefined;
  readonly branch: string | undefined;
  readonly defaultBranch: string | undefined;
  readonly runtime: string;
  readonly runtimeVersion: string;
  /** `ID` or `ID/ARCH/BRANCH` with parts left empty. */
  readonly sdk: string;
  /** The one version that counts of each: digests of manifests, hex. */
  readonly sdkCommit: string | undefined;
  readonly runtimeCommit: string | undefined;
  readonly base: BaseApp | undefined;
  /** Extensions of the Sdk that the build needs. */
  readonly sdkExtensions: readonly Named[];
  /** Extension points of the base or the Sdk that the result has as well; the second not in a derived platform. */
  readonly inheritExtensions: readonly Named[];
  readonly inheritSdkExtensions: readonly Named[];
  /** Of an extension: the point that takes it, where several have its name. */
  readonly extensionTag: string | undefined;
  readonly command: string | undefined;
  /** Absolute path of a file that replaces the generated metadata. */
  readonly metadata: string | undefined;
  readonly buildOptions: BuildOptions;
  readonly modules: readonly Module[];
  readonly cleanup: readonly string[];
  readonly cleanupCommands: readonly string[];
  readonly finishArgs: readonly string[];
  readonly tags: readonly string[];
  readonly extensions: ExtensionGroups;
  /** Points that are there while the app is built. */
  readonly buildExtensions: ExtensionGroups;
  readonly removeExtensions: readonly string[];
  /** Points whose folders the build itself fills: each becomes an image of its own. */
  readonly bundledExtensions: readonly string[];
  readonly separateLocales: boolean;
  readonly renameDesktopFile: string | undefined;
  readonly renameAppdataFile: string | undefined;
  readonly appdataLicense: string | undefined;
  readonly renameMimeFile: string | undefined;
  readonly renameMimeIcons: readonly string[];
  readonly renameIcon: string | undefined;
  readonly copyIcon: boolean;
  readonly desktopNamePrefix: string | undefined;
  readonly desktopNameSuffix: string | undefined;
  readonly sourceDateEpoch: number | undefined;
  /** Keys that were read but change nothing, one sentence each. */
  readonly warnings: readonly string[];
}

export const buildSystems = ["autotools", "cmake", "cmake-ninja", "meson", "qmake", "simple"] as const;
export type BuildSystem = (typeof buildSystems)[number];

export interface Module {
  readonly name: string;
  readonly subdir: string | undefined;
  readonly disabled: boolean;
  readonly onlyArches: readonly string[];
  readonly skipArches: readonly string[];
  readonly sources: readonly Source[];
  /** Built before this one. */
  readonly modules: readonly Module[];
  readonly buildSystem: BuildSystem;
  readonly builddir: boolean;
  readonly configOpts: readonly string[];
  /** Options whose `$NAME` come from the host's environment; they count neither for the cache nor in messages. */
  readonly secretOpts: readonly string[];
  readonly secretEnv: readonly string[];
  /** Texts of licences below the sources; undefined: those with the usual names. */
  readonly licenseFiles: readonly (readonly string[])[] | undefined;
  readonly makeArgs: readonly string[];
  readonly makeInstallArgs: readonly string[];
  readonly rmConfigure: boolean;
  readonly noAutogen: boolean;
  readonly noParallelMake: boolean;
  readonly noMakeInstall: boolean;
  readonly installRule: string | undefined;
  readonly testRule: string | undefined;
  readonly runTests: boolean;
  readonly testCommands: readonly string[];
  readonly buildCommands: readonly string[];
  readonly postInstall: readonly string[];
  readonly buildOptions: BuildOptions;
  readonly cleanup: readonly string[];
  /** Patterns for what stays out of the derived platform. */
  readonly cleanupPlatform: readonly string[];
}

export const flagNames = [
  "cflags",
  "cxxflags",
  "cppflags",
  "ldflags",
  "rustflags",
  "cgo-cflags",
  "cgo-cxxflags",
  "cgo-cppflags",
  "cgo-ldflags",
] as const;
export type FlagName = (typeof flagNames)[number];

export const pathNames = ["path", "ld-library-path", "pkg-config-path"] as const;
export type PathName = (typeof pathNames)[number];

export interface BuildOptions {
  readonly flags: Partial<Readonly<Record<FlagName, { readonly text: string; readonly override: boolean }>>>;
  readonly append: Partial<Readonly<Record<PathName, string>>>;
  readonly prepend: Partial<Readonly<Record<PathName, string>>>;
  readonly prefix: string | undefined;
  readonly libdir: string | undefined;
  /** null unsets the variable. */
  readonly env: ReadonlyMap<string, string | null>;
  readonly secretEnv: readonly string[];
  readonly buildArgs: readonly string[];
  readonly testArgs: readonly string[];
  readonly configOpts: readonly string[];
  readonly secretOpts: readonly string[];
  readonly makeArgs: readonly string[];
  readonly makeInstallArgs: readonly string[];
  readonly strip: boolean | undefined;
  readonly noDebuginfo: boolean | undefined;
  readonly arch: ReadonlyMap<string, BuildOptions>;
}

interface SourceBase {
  /** `FILE:LINE:COLUMN` of the source, for messages. */
  readonly where: string;
  /** Folder below the build folder, checked to stay there; empty for the build folder itself. */
  readonly dest: readonly string[];
  readonly onlyArches: readonly string[];
  readonly skipArches: readonly string[];
}

export interface Checksums {
  readonly md5?: string;
  readonly sha1?: string;
  readonly sha256?: string;
  readonly sha512?: string;
}

/** A file on this machine (absolute path) or elsewhere. */
export type Origin =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "url"; readonly urls: readonly string[]; readonly checksums: Checksums };

export type Source = SourceBase &
  (
    | { readonly type: "dir"; readonly path: string; readonly skip: readonly string[] }
    | { readonly type: "file"; readonly origin: Origin; readonly filename: string }
    | {
        readonly type: "archive";
        readonly origin: Origin;
        readonly filename: string;
        readonly format: ArchiveFormat;
        readonly stripComponents: number;
        readonly gitInit: boolean;
      }
    | {
        readonly type: "git";
        /** A URL, or an absolute path on this machine. */
        readonly location: string;
        readonly branch: string | undefined;
        readonly tag: string | undefined;
        readonly commit: string | undefined;
        readonly submodules: boolean;
        readonly shallow: boolean;
      }
    | {
        readonly type: "patch";
        readonly paths: readonly string[];
        readonly stripComponents: number;
        readonly tool: "patch" | "git" | "git-am";
        readonly options: readonly string[];
      }
    | { readonly type: "script"; readonly commands: readonly string[]; readonly filename: string }
    | { readonly type: "shell"; readonly commands: readonly string[] }
    | {
        readonly type: "svn" | "bzr";
        readonly location: string;
        readonly revision: string | undefined;
      }
    /** Fetched at the install, by whoever installs: only what it is goes into the image. */
    | {
        readonly type: "extra-data";
        readonly filename: string;
        readonly url: string;
        readonly sha256: string;
        readonly size: number;
        readonly installedSize: number | undefined;
      }
    | { readonly type: "inline"; readonly contents: Uint8Array; readonly filename: string }
  );

export const archiveFormats = [
  "tar",
  "tar-gzip",
  "tar-compress",
  "tar-bzip2",
  "tar-lzip",
  "tar-lzma",
  "tar-xz",
  "tar-zst",
  "zip",
  "7z",
  "rpm",
] as const;
export type ArchiveFormat = (typeof archiveFormats)[number];
