// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { binds, fileText, folder, socket, specifyExample } from "./fake-host.ts";

const helper = "/run/user/1000/.flatpak-helper";
const hostText = "nameserver 192.0.2.1\n";

const link = (specification: ReturnType<typeof specifyExample>, path: string) =>
  specification.layer.find((entry) => entry.path === path);

describe("specify() and what changes on the host meanwhile", () => {
  test("specify() binds the host's own files, behind links too", () => {
    const nodes = {
      "/etc/resolv.conf": { link: "../run/systemd/resolve/stub-resolv.conf" },
      "/run/systemd/resolve/stub-resolv.conf": hostText,
      "/etc/hosts": "127.0.0.1 localhost\n",
    };
    expect(binds(specifyExample({ nodes }))).toEqual(
      expect.arrayContaining(["/run/systemd/resolve/stub-resolv.conf /etc/resolv.conf ro", "/etc/hosts /etc/hosts ro"]),
    );
  });

  test("specify() shows the copies of the session's helper where they are kept up to date", () => {
    const found = specifyExample({
      nodes: { [`${helper}/monitor/resolv.conf`]: hostText, [`${helper}/monitor/hosts`]: "" },
    });
    expect(binds(found)).toContain(`${helper}/monitor /run/host/monitor ro`);
    expect(link(found, "/etc/resolv.conf")).toMatchObject({ to: "/run/host/monitor/resolv.conf" });
    expect(link(found, "/etc/hosts")).toMatchObject({ to: "/run/host/monitor/hosts" });
    expect(link(found, "/etc/gai.conf")).toBeUndefined();
  });

  test("specify() does not trust copies that nobody keeps any more", () => {
    const found = specifyExample({ nodes: { [`${helper}/monitor/resolv.conf`]: "nameserver 198.51.100.1\n" } });
    expect(binds(found)).toContain("/etc/resolv.conf /etc/resolv.conf ro");
    expect(binds(found).join("\n")).not.toContain("monitor");
  });
});

describe("specify() and the host's certificates", () => {
  const nodes = { [`${helper}/pkcs11-flatpak-42`]: socket, [`${helper}/pkcs11-flatpak-7`]: socket };

  test("specify() gives the socket of the helper that runs, and tells the trust module of it", () => {
    const found = specifyExample({ nodes: { ...nodes, "/proc/42": folder } });
    expect(binds(found)).toContain(`${helper}/pkcs11-flatpak-42 /run/flatpak/p11-kit/pkcs11 rw`);
    expect(fileText(found, "/etc/pkcs11/modules/p11-kit-trust.module")).toBe("module: p11-kit-client.so\n");
    expect(found.points).toContainEqual({
      kind: "symlink",
      path: "/run/user/1000/dowel/apps/org.example.App/run/p11-kit",
      to: "../../flatpak/p11-kit",
    });
  });

  test("specify() leaves the runtime's certificates where the helper is gone", () => {
    const found = specifyExample({ nodes });
    expect(binds(found).join("\n")).not.toContain("pkcs11");
    expect(link(found, "/etc/pkcs11/modules/p11-kit-trust.module")).toBeUndefined();
  });
});
