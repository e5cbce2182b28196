// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { binds, exampleRuntime, fileText, folder, socket, specifyExample, targets } from "./fake-host.ts";

const data = "/home/ann/.var/app/org.example.App";

describe("specify() for an app without permissions", () => {
  const specification = specifyExample();

  test("specify() stacks the app over the runtime", () => {
    expect(specification.lowers).toEqual(["/images/app", "/images/runtime"]);
    expect(specification.command).toEqual(["app"]);
    expect(specification.shared).toEqual({ network: false, ipc: false });
    expect(specification.seccomp).toEqual({
      arch: "x86_64",
      devel: false,
      multiarch: false,
      bluetooth: false,
      canbus: false,
      userns: false,
    });
  });

  test("specify() mounts nothing of the host's files but the app's own folders", () => {
    expect(binds(specification)).toEqual([
      "/sys/class /sys/class ro",
      "/run/user/1000/dowel/apps/org.example.App/tmp /tmp rw",
      "/run/user/1000/dowel/apps/org.example.App/run /run/user/1000 rw",
      "/usr/share/zoneinfo /usr/share/zoneinfo ro",
      "/etc/resolv.conf /etc/resolv.conf ro",
      `${data} ${data} rw`,
      `${data}/cache /var/cache rw`,
      `${data}/data /var/data rw`,
      `${data}/config /var/config rw`,
      `${data}/cache/tmp /var/tmp rw`,
    ]);
    expect(targets(specification, "tmpfs")).toEqual([
      "/run/flatpak/.flatpak",
      "/run/flatpak/library",
      "/run/flatpak/app/org.example.App",
      "/run/flatpak/doc",
      "/home/ann",
      "/tmp/.X11-unix",
    ]);
  });

  test("specify() distrusts the folders that the app can change", () => {
    const distrusted = specification.mounts.filter((mount) => mount.kind === "bind" && mount.distrusted === true);
    expect(distrusted.map((mount) => mount.target)).toEqual([
      data,
      "/var/cache",
      "/var/data",
      "/var/config",
      "/var/tmp",
    ]);
    expect(specification.data.map(({ path }) => path)).toEqual([
      "cache",
      "cache/tmp",
      "config",
      "data",
      ".local/state",
    ]);
  });

  test("specify() fills /etc from the runtime and the user", () => {
    expect(fileText(specification, "/etc/passwd")).toBe(
      "ann:x:1000:1000:Ann Example:/home/ann:/bin/sh\nnfsnobody:x:65534:65534:Unmapped user:/:/sbin/nologin\n",
    );
    expect(fileText(specification, "/etc/group")).toBe("staff:x:1000:ann\nnfsnobody:x:65534:\n");
    expect(fileText(specification, "/etc/timezone")).toBe("Europe/Berlin\n");
    const links = specification.layer.flatMap((entry) => (entry.kind === "symlink" ? [[entry.path, entry.to]] : []));
    expect(links).toContainEqual(["/etc/fonts", "../usr/etc/fonts"]);
    expect(links).toContainEqual(["/etc/mtab", "../proc/self/mounts"]);
    expect(links).toContainEqual(["/etc/localtime", "../usr/share/zoneinfo/Europe/Berlin"]);
    expect(links).toContainEqual(["/lib", "usr/lib"]);
  });

  test("specify() describes the sandbox in /.flatpak-info", () => {
    const name = "[Application]\nname=org.example.App\nruntime=runtime/org.example.Platform/x86_64/1\n";
    expect(fileText(specification, "/.flatpak-info")).toBe(name);
    expect(specification.instance?.info).toEqual([
      `${name}\n[Instance]\ninstance-id=`,
      `\ninstance-path=${data}\napp-path=/images/app/app\napp-commit=${"a".repeat(64)}\nruntime-path=/images/runtime/usr\n` +
        `runtime-commit=${"b".repeat(64)}\nbranch=stable\narch=x86_64\nflatpak-version=1.18.0\n\n[Environment]\nFROM_RUNTIME=1\n`,
    ]);
  });

  test("specify() sets the app's variables and takes away those that steer loaders", () => {
    const { set, unset } = specification.environment;
    expect(set).toMatchObject({
      FLATPAK_ID: "org.example.App",
      FROM_RUNTIME: "1",
      HOME: "/home/ann",
      PATH: "/app/bin:/usr/bin",
      XDG_CONFIG_HOME: `${data}/config`,
      XDG_RUNTIME_DIR: "/run/user/1000",
      XDG_STATE_HOME: `${data}/.local/state`,
      container: "flatpak",
    });
    expect(unset).toEqual(expect.arrayContaining(["LD_PRELOAD", "DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "BUN_OPTIONS"]));
    expect(Object.keys(set).filter((name) => unset.includes(name))).toEqual([]);
  });

  test("specify() gives a value that can be printed and read back", () => {
    expect(JSON.parse(JSON.stringify(specification))).toEqual(structuredClone({ ...specification, cwd: undefined }));
  });
});

describe("specify() for a hostile image", () => {
  test.each(["/images/bad/usr", "/images/bad/usr/etc"])(
    "specify() lists no folder of the host through a link at %s",
    (link) => {
      const nodes = { [link]: { link: "/home" }, [`${link}${link.endsWith("etc") ? "" : "/etc"}/secret`]: "text" };
      const bad = { ...exampleRuntime, lower: "/images/bad" };
      const { layer } = specifyExample({ nodes, input: { runtime: bad } });
      expect(layer.filter((entry) => entry.path.includes("secret"))).toEqual([]);
    },
  );
});

describe("specify() and the layers of permissions", () => {
  test("specify() takes variables, but no permission, from the runtime", () => {
    expect(specifyExample().shared.network).toBe(false);
    expect(specifyExample({ context: "[Environment]\nFROM_RUNTIME=2\n" }).environment.set["FROM_RUNTIME"]).toBe("2");
  });

  test.each([
    ["metadata", { context: "[Context]\nshared=network;ipc;\n" }, { network: true, ipc: true }],
    ["an option", { options: ["--share=ipc"] }, { network: false, ipc: true }],
    [
      "an option against metadata",
      { context: "[Context]\nshared=network;\n", options: ["--unshare=network"] },
      { network: false, ipc: false },
    ],
    [
      "a condition that holds",
      { context: "[Context]\nshared=network;if:network:true;\n" },
      { network: true, ipc: false },
    ],
    [
      "a condition that nobody knows",
      { context: "[Context]\nshared=network;if:network:!future;\n" },
      { network: false, ipc: false },
    ],
  ])("specify() shares what %s says", (_name, scenario, shared) => {
    expect(specifyExample(scenario).shared).toEqual(shared);
  });

  test("specify() lets --env and --unset-env win over everything that metadata says", () => {
    const { set, unset } = specifyExample({
      context: "[Environment]\nA=1\nB=1\n",
      options: ["--env=A=2", "--unset-env=B", "--env=PATH=/x"],
    }).environment;
    expect([set["A"], set["PATH"]]).toEqual(["2", "/x"]);
    expect(unset).toContain("B");
  });

  test("specify() does not let metadata move the home, the runtime folder or the app's id", () => {
    const { set } = specifyExample({
      options: ["--env=HOME=/x", "--env=XDG_RUNTIME_DIR=/x", "--env=FLATPAK_ID=x"],
    }).environment;
    expect([set["HOME"], set["XDG_RUNTIME_DIR"], set["FLATPAK_ID"]]).toEqual([
      "/home/ann",
      "/run/user/1000",
      "org.example.App",
    ]);
  });
});

describe("specify() for devices and sockets", () => {
  test("specify() gives the devices that are granted and there", () => {
    const nodes = { "/dev/dri": folder, "/dev/kvm": { type: "device" } as const, "/dev/shm": folder };
    const specification = specifyExample({ options: ["--device=dri", "--device=shm"], nodes });
    expect(binds(specification)).toContain("/dev/dri /dev/dri rw");
    expect(binds(specification)).toContain("/dev/shm /dev/shm rw");
    expect(binds(specification)).not.toContain("/dev/kvm /dev/kvm rw");
  });

  test("specify() gives the host's /dev for all devices, with a /dev/shm of its own", () => {
    const specification = specifyExample({ options: ["--device=all"], nodes: { "/dev/shm": folder } });
    expect(binds(specification)).toContain("/dev /dev rw");
    expect(targets(specification, "tmpfs")).toContain("/dev/shm");
    expect(targets(specification, "dev")).toEqual([]);
  });

  test("specify() gives Wayland under the host's name", () => {
    const nodes = { "/run/user/1000/wayland-1": socket };
    const scenario = { options: ["--socket=wayland"], nodes, variables: { WAYLAND_DISPLAY: "wayland-1" } };
    const specification = specifyExample(scenario);
    expect(binds(specification)).toContain("/run/user/1000/wayland-1 /run/flatpak/wayland-1 rw");
    expect(specification.environment.set["WAYLAND_DISPLAY"]).toBe("wayland-1");
    expect(specification.points).toContainEqual({
      kind: "symlink",
      path: "/run/user/1000/dowel/apps/org.example.App/run/wayland-1",
      to: "../../flatpak/wayland-1",
    });
  });

  const x11 = { "/tmp/.X11-unix/X0": socket, "/run/user/1000/wayland-0": socket };

  test.each([
    ["x11", ["--socket=x11"], x11, ":0"],
    ["nothing", [], x11, undefined],
    ["fallback-x11 beside Wayland", ["--socket=fallback-x11", "--socket=wayland"], x11, undefined],
    ["fallback-x11 without Wayland", ["--socket=fallback-x11"], { "/tmp/.X11-unix/X0": socket }, ":0"],
    ["x11 and fallback-x11 beside Wayland", ["--socket=x11", "--socket=fallback-x11"], x11, undefined],
  ] as const)("specify() gives a display for %s", (_name, options, nodes, display) => {
    const specification = specifyExample({ options, nodes, variables: { DISPLAY: ":0.0" } });
    expect(specification.environment.set["DISPLAY"]).toBe(display as string);
    expect(binds(specification).includes("/tmp/.X11-unix/X0 /tmp/.X11-unix/X0 rw")).toBe(display !== undefined);
  });

  test("specify() gives the bus itself only where a permission names it, and else what the service serves", () => {
    const nodes = { "/run/user/1000/bus": socket };
    const variables = { DBUS_SESSION_BUS_ADDRESS: "unix:path=/run/user/1000/bus,guid=00" };
    const without = specifyExample({ nodes, variables, options: ["--talk-name=org.a.B"] });
    expect(without.environment.set["DBUS_SESSION_BUS_ADDRESS"]).toBe("unix:path=/run/flatpak/bus");
    expect(binds(without).join()).not.toContain("bus");
    expect(without.mounts).toContainEqual({ kind: "bus", bus: "session", target: "/run/flatpak/bus" });
    expect(without.session?.buses).toEqual({ session: "/run/user/1000/bus" });
    expect(specifyExample({ nodes: {}, variables, options: [] }).session).toBeUndefined();
    const given = specifyExample({ nodes, variables, options: ["--socket=session-bus"] });
    expect(given.environment.set["DBUS_SESSION_BUS_ADDRESS"]).toBe("unix:path=/run/flatpak/bus");
    expect(binds(given)).toContain("/run/user/1000/bus /run/flatpak/bus rw");
    expect(given.session).toBeUndefined();
  });
});

describe("specify() and folders of the home that every app sees", () => {
  const fonts = "/home/ann/.local/share/fonts";

  test("specify() shows the user's fonts, and tells fontconfig where they come from", () => {
    const specification = specifyExample({ nodes: { [fonts]: folder } });
    expect(binds(specification)).toContain(`${fonts} /run/host/user-fonts ro`);
    expect(fileText(specification, "/run/host/font-dirs.xml")).toContain(
      `<remap-dir as-path="${fonts}">/run/host/user-fonts</remap-dir>`,
    );
  });

  test("specify() shows nothing that a link in their place leads to", () => {
    const nodes = { "/home/ann/.ssh": folder, [fonts]: { link: "../../.ssh" } };
    expect(binds(specifyExample({ nodes })).filter((line) => line.includes("user-fonts"))).toEqual([]);
  });
});

describe("specify() and agents", () => {
  const options = ["--socket=gpg-agent", "--socket=cups", "--socket=pulseaudio"];

  test("specify() finds the agent of another GNUPGHOME where gpgconf(1) does", () => {
    const path = "/run/user/1000/gnupg/d.wsyxmmjxw1ryre8cgzcyo7u6/S.gpg-agent";
    const specification = specifyExample({
      options,
      nodes: { [path]: socket },
      variables: { GNUPGHOME: "/home/ann/keys/" },
    });
    expect(binds(specification)).toContain(`${path} /run/user/1000/gnupg/S.gpg-agent rw`);
  });

  test("specify() finds servers that configuration files name", () => {
    const specification = specifyExample({
      options,
      nodes: {
        "/etc/cups/client.conf": "# ServerName /run/other.sock\nServerName /run/print.sock\n",
        "/run/print.sock": socket,
        "/home/ann/.config/pulse/client.conf": "default-server = unix:/run/sound.sock\n",
        "/run/sound.sock": socket,
      },
    });
    expect(binds(specification)).toContain("/run/print.sock /run/cups/cups.sock rw");
    expect(specification.session?.buses.pulse).toBe("/run/sound.sock");
    expect(specification.mounts).toContainEqual({ kind: "bus", bus: "pulse", target: "/run/flatpak/pulse/native" });
  });
});
