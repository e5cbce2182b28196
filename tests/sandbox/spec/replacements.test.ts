// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { binds, folder, infoText, specifyExample } from "./fake-host.ts";

const link = (path: string) => (one: { path: string }) => one.path === path;

describe("specify() with another /app", () => {
  test("specify() shows it read-only, and the app's own at /run/parent/app", () => {
    const found = specifyExample({ run: { app: { path: "/trees/app", distrusted: false } } });
    expect(found.lowers).toEqual(["/images/runtime"]);
    expect(binds(found)).toContain("/trees/app /app ro");
    expect(binds(found)).toContain("/images/app/app /run/parent/app ro");
    const info = infoText(found);
    expect(info).toContain("app-path=/trees/app\noriginal-app-path=/images/app/app\n");
  });

  test("specify() shows an empty folder for an empty path", () => {
    const found = specifyExample({ run: { app: { path: undefined, distrusted: false } } });
    expect(found.layer).toContainEqual({ kind: "directory", path: "/app" });
    expect(binds(found).filter((bind) => bind.includes(" /app "))).toEqual([]);
    expect(infoText(found)).toContain("app-path=\n");
  });
});

test("specify() with another /usr takes /etc and the links of the root from it", () => {
  const nodes = { "/trees/usr/sbin": folder, "/trees/usr/etc/own": "text" };
  const found = specifyExample({ nodes, run: { usr: { path: "/trees/usr", distrusted: true } } });
  expect(found.mounts).toContainEqual({
    kind: "bind",
    source: "/trees/usr",
    target: "/usr",
    access: "ro",
    distrusted: true,
  });
  expect(binds(found)).toContain("/images/runtime/usr /run/parent/usr ro");
  expect(found.layer.find(link("/sbin"))).toMatchObject({ to: "usr/sbin" });
  expect(found.layer.find(link("/bin"))).toBeUndefined();
  expect(found.layer.find(link("/run/parent/bin"))).toMatchObject({ to: "usr/bin" });
  expect(found.layer.find(link("/etc/own"))).toMatchObject({ to: "../usr/etc/own" });
  expect(found.layer.find(link("/etc/fonts"))).toBeUndefined();
});

test("specify() shows what descriptors hold at its own place, and follows no link to it", () => {
  const found = specifyExample({
    run: {
      binds: [
        { path: "/srv/a", type: "directory", access: "rw" },
        { path: "/srv/b", type: "file", access: "ro" },
      ],
    },
  });
  const shown = found.mounts.filter((mount) => mount.target.startsWith("/srv"));
  expect(shown).toMatchObject([
    { source: "/srv/a", access: "rw", distrusted: true },
    { source: "/srv/b", access: "ro", distrusted: true },
  ]);
});
