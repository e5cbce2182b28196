// SPDX-License-Identifier: Apache-2.0

/** Rooms from the ground up; a room may import from itself and from rooms further up in this list. */
const rooms = [
  "base",
  "sys",
  "formats",
  "loop",
  "dbus",
  "oci",
  "metadata",
  "store",
  "remotes",
  "instances",
  "sandbox",
  "engine",
  "system",
  "builder",
  "registry",
  "session",
  "render",
  "cli",
];

module.exports = {
  forbidden: [
    ...rooms.map((room, rank) => ({
      name: `${room}-only-imports-downwards`,
      severity: "error",
      from: { path: `^src/${room}/` },
      to: { path: `^src/(${[...rooms.slice(rank + 1), "main\\.ts"].join("|")})` },
    })),
    {
      name: "nothing-goes-round",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "only-sys-has-ffi",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/sys/" },
      to: { path: "^bun:ffi$" },
    },
    {
      name: "only-render-and-above-print",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(render|cli|main\\.ts)" },
      to: { path: "^src/render/" },
    },
    {
      name: "known-rooms-only",
      severity: "error",
      from: {},
      to: { path: `^src/(?!(${rooms.join("|")})/|main\\.ts$)` },
    },
    {
      name: "product-without-test-code",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(tests|tools|bench)/" },
    },
    { name: "everything-resolves", severity: "error", from: {}, to: { couldNotResolve: true, pathNot: "^bun:" } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "types", "default"] },
    tsConfig: { fileName: "tsconfig.json" },
    exclude: { path: "^(build|node_modules)/" },
  },
};
