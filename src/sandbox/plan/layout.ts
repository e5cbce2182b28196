// SPDX-License-Identifier: Apache-2.0

/**
 * The bytes of a plan, as launcher/plan.h declares them: little endian, offsets from the first byte, sections at
 * multiples of 8. The two files change together, with the version.
 */
export const layout = {
  magic: "DOWELPLN",
  version: 6,
  headerBytes: 248,
  observationBytes: 56,
  mountBytes: 40,
  wordBytes: 4,
  instructionBytes: 8,
  ruleBytes: 16,
} as const;

/** What the launcher accepts at most; equal to the constants of launcher/plan.h. */
export const planLimits = {
  bytes: 16 * 1024 * 1024,
  words: 1024,
  observations: 8192,
  lowersMin: 2,
  lowers: 16,
  held: 4,
  mounts: 1024,
  binds: 512,
  variables: 4096,
  instructions: 4096,
  pathBytes: 4095,
  nameBytes: 255,
  hostnameBytes: 64,
  textBytes: 1020,
  infoBytes: 1024 * 1024,
  settings: 64,
  rules: 512,
  namespaces: 65_535,
} as const;

export const planFlags = {
  network: 1,
  ipc: 2,
  clearEnvironment: 4,
  dieWithParent: 8,
  cgroupRequired: 16,
  nested: 32,
  busLog: 64,
} as const;
export const bindFlags = { readOnly: 1, recursive: 2, devices: 4, noSymlinks: 8, optional: 16, wayland: 32 } as const;
export const observationKinds = { absent: 1, present: 2, inode: 3, variable: 4, noVariable: 5 } as const;
export const mountKinds = {
  bind: 1,
  tmpfs: 2,
  proc: 3,
  dev: 4,
  directory: 5,
  symlink: 6,
  file: 7,
  seal: 8,
  instance: 9,
  info: 10,
  bus: 11,
} as const;

/** Where the header has what is optional; a section is an offset and a count, both 0 where it is not there. */
export const headerOffsets = {
  hostname: 20,
  cwd: 24,
  sections: 32,
  /** Folder, counter, id, ref, image: a string each. Then the text before the number and the text after it. */
  instance: 112,
  instanceInfo: 132,
  cgroup: 148,
  settings: 152,
  rules: 160,
  handled: 168,
  scopes: 176,
  /** As `namespaceKinds`. */
  bounds: 180,
  /** The service's socket, then that of each bus, as `planBuses`: a string each. Then the words for the service. */
  session: 212,
  sessionPolicy: 236,
} as const;

/** Buses by their number. */
export const planBuses = ["session", "system", "a11y", "pulse", "pipewire"] as const;

export const namespaceKinds = ["user", "pid", "mount", "ipc", "uts", "network", "cgroup", "time"] as const;
