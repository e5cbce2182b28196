// SPDX-License-Identifier: Apache-2.0

const goNames: ReadonlyMap<string, string> = new Map([
  ["x86_64", "amd64"],
  ["aarch64", "arm64"],
  ["i386", "386"],
  ["arm", "arm"],
]);

/** The name that OCI (GOARCH) has for an architecture as Flatpak names it. */
export function toOciArch(arch: string): string {
  return goNames.get(arch) ?? arch;
}

/** The name that Flatpak has for an architecture as OCI (GOARCH) names it. */
export function fromOciArch(ociArch: string): string {
  for (const [arch, name] of goNames) if (name === ociArch) return arch;
  return ociArch;
}

/** The architecture of this process, as Flatpak names it. */
export function hostArch(): string {
  const names: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64", ia32: "i386" };
  return names[process.arch] ?? process.arch;
}
