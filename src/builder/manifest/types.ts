// SPDX-License-Identifier: Apache-2.0

/** A build manifest as read from its files; keys as flatpak-manifest(5) names them. */
export interface Manifest {
  /** Absolute path of the top file. */
  readonly file: string;
  readonly id: string;
  readonly branch: string | undefined;
  readonly defaultBranch: string | undefined;
  readonly runtime: string;
  readonly runtimeVersion: string;
  /** `ID` or `ID/ARCH/BRANCH` with parts left empty. */
  readonly sdk: string;
  readonly command: string | undefined;
  /** Absolute path of a file that replaces the generated metadata. */
  readonly metadata: string | undefined;
  readonly buildOptions: BuildOptions;
  readonly modules: readonly Module[];
  readonly cleanup: readonly string[];
  readonly cleanupCommands: readonly string[];
  readonly finishArgs: readonly string[];
  readonly tags: readonly string[];
  /** Extension points by name, each a list of `KEY=VALUE` for the metadata. */
  readonly extensions: ReadonlyMap<string, readonly (readonly [string, string])[]>;
  readonly removeExtensions: readonly string[];
  readonly renameDesktopFile: string | undefined;
  readonly renameAppdataFile: string | undefined;
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
}

export const flagNames = ["cflags", "cxxflags", "cppflags", "ldflags", "rustflags"] as const;
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
  readonly makeArgs: readonly string[];
  readonly makeInstallArgs: readonly string[];
  readonly strip: boolean | undefined;
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
