// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { binds, type FakeNode, fileText, folder, type Scenario, socket, specifyExample, targets } from "./fake-host.ts";

const data = "/home/ann/.var/app/org.example.App";

/** What an option adds to the binds of an app without permissions. */
function added(scenario: Scenario): string[] {
  const usual = new Set(binds(specifyExample(scenario.nodes === undefined ? {} : { nodes: scenario.nodes })));
  return binds(specifyExample(scenario)).filter((bind) => !usual.has(bind));
}

describe("specify() for --filesystem", () => {
  test.each<[string[], Record<string, FakeNode>, string[]]>([
    [["--filesystem=home"], {}, ["/home/ann /home/ann rw"]],
    [["--filesystem=home:ro"], {}, ["/home/ann /home/ann ro"]],
    [["--filesystem=~/Documents"], {}, ["/home/ann/Documents /home/ann/Documents rw"]],
    [["--filesystem=home", "--filesystem=~/Documents"], {}, ["/home/ann /home/ann rw"]],
    [
      ["--filesystem=home", "--filesystem=~/Documents:ro"],
      {},
      ["/home/ann /home/ann rw", "/home/ann/Documents /home/ann/Documents ro"],
    ],
    [
      ["--filesystem=~/Documents/letter.txt:ro"],
      {},
      ["/home/ann/Documents/letter.txt /home/ann/Documents/letter.txt ro"],
    ],
    [["--filesystem=/srv/x"], { "/srv/x": folder }, ["/srv/x /srv/x rw"]],
    [["--filesystem=/missing"], {}, []],
    [["--filesystem=host-etc"], {}, ["/etc /run/host/etc rw"]],
    [
      ["--filesystem=host-os:ro"],
      { "/lib": { link: "usr/lib" }, "/usr/lib": folder },
      ["/usr/lib /run/host/lib ro", "/usr /run/host/usr ro"],
    ],
    [
      ["--filesystem=xdg-run/pipewire-0"],
      { "/run/user/1000/pipewire-0": socket },
      ["/run/user/1000/pipewire-0 /run/user/1000/pipewire-0 rw"],
    ],
    [
      ["--filesystem=xdg-config/kdeglobals:ro"],
      { "/home/ann/.config/kdeglobals": "x" },
      [
        "/home/ann/.config/kdeglobals /home/ann/.config/kdeglobals ro",
        `/home/ann/.config/kdeglobals ${data}/config/kdeglobals ro`,
      ],
    ],
    [
      ["--filesystem=xdg-download"],
      { "/home/ann/.config/user-dirs.dirs": 'XDG_DOWNLOAD_DIR="$HOME/Loads"\n', "/home/ann/Loads": folder },
      ["/home/ann/Loads /home/ann/Loads rw", `/run/host/user-dirs.dirs ${data}/config/user-dirs.dirs ro`],
    ],
    [["--filesystem=xdg-music"], { "/home/ann/.config/user-dirs.dirs": 'XDG_MUSIC_DIR="$HOME/"\n' }, []],
  ])("specify() with %p binds what it names", (options, nodes, expected) => {
    expect(added({ options, nodes })).toEqual(expected);
  });

  test.each(["/usr", "/usr/share", "/etc", "/etc/passwd", "/app", "/dev", "/proc", "/run", "/run/flatpak", "/lib"])(
    "specify() never shows %s at its own place",
    (path) => {
      expect(
        added({
          options: [`--filesystem=${path}`],
          nodes: { "/run/flatpak": folder, "/lib": { link: "usr/lib" }, "/usr/lib": folder },
        }),
      ).toEqual([]);
    },
  );

  test("specify() shows the host's top folders, home, system and configuration for host", () => {
    const nodes = { "/srv": folder, "/opt": folder, "/root": folder, "/boot": folder, "/run/media": folder };
    expect(added({ options: ["--filesystem=host"], nodes })).toEqual([
      "/home /home rw",
      "/images /images rw",
      "/opt /opt rw",
      "/etc /run/host/etc rw",
      "/usr /run/host/usr rw",
      "/run/media /run/media rw",
      "/srv /srv rw",
    ]);
  });

  test("specify() follows links on the host and makes them again in the sandbox", () => {
    const nodes = { "/data": { link: "mnt/disk" }, "/mnt/disk/x": folder };
    const specification = specifyExample({ options: ["--filesystem=/data/x"], nodes });
    expect(binds(specification)).toContain("/mnt/disk/x /mnt/disk/x rw");
    expect(specification.layer).toContainEqual({ kind: "symlink", path: "/data", to: "mnt/disk" });
  });

  test("specify() gives up on links that go round", () => {
    const nodes = { "/a": { link: "b" }, "/b": { link: "a" } };
    expect(added({ options: ["--filesystem=/a/x"], nodes })).toEqual([]);
  });

  test("specify() does not follow a link into a reserved place", () => {
    expect(added({ options: ["--filesystem=/srv/x"], nodes: { "/srv/x": { link: "/usr" } } })).toEqual([]);
  });

  test("specify() covers what is denied inside what is shown", () => {
    const nodes = { "/home/ann/.ssh/id": "secret", "/home/ann/.netrc": "secret" };
    const options = ["--filesystem=home", "--nofilesystem=~/.ssh", "--nofilesystem=~/.netrc"];
    const specification = specifyExample({ options, nodes });
    expect(targets(specification, "tmpfs")).toContain("/home/ann/.ssh");
    expect(binds(specification)).toContain("/dev/null /home/ann/.netrc ro");
  });

  test("specify() lists the folders to make for :create", () => {
    expect(specifyExample({ options: ["--filesystem=~/New:create"] }).create).toEqual(["/home/ann/New"]);
    expect(specifyExample({ options: ["--filesystem=~/New"] }).create).toEqual([]);
  });
});

describe("specify() for the folders of user-dirs(5)", () => {
  const nodes = {
    "/home/ann/.config/user-dirs.dirs":
      'XDG_MUSIC_DIR="$HOME/Mu\\"sic"\nXDG_VIDEOS_DIR="$HOME/Films"\nXDG_TEMPLATES_DIR="$HOME/"\n',
    '/home/ann/Mu"sic': folder,
    "/home/ann/Films": folder,
  };

  test.each([
    [["--filesystem=xdg-music"], 'XDG_MUSIC_DIR="/home/ann/Mu\\"sic"\n'],
    [["--filesystem=home"], 'XDG_MUSIC_DIR="/home/ann/Mu\\"sic"\nXDG_VIDEOS_DIR="/home/ann/Films"\n'],
    [["--filesystem=home", "--nofilesystem=xdg-music"], 'XDG_VIDEOS_DIR="/home/ann/Films"\n'],
    [[], undefined],
  ])("specify() with %p tells the app of those that it sees", (options, text) => {
    const specification = specifyExample({ options, nodes });
    expect(fileText(specification, "/run/host/user-dirs.dirs")).toBe(text as string);
    const entry = { path: "config/user-dirs.dirs", kind: "file" } as const;
    expect(specification.data.some((one) => one.path === entry.path)).toBe(text !== undefined);
    const bind = specification.mounts.find((mount) => mount.target === `${data}/${entry.path}`);
    expect(bind?.kind === "bind" && bind.fromLayer).toBe(text !== undefined);
  });
});

describe("specify() for what no app may see", () => {
  const nodes = { "/home/ann/.local/share/dowel/overrides": folder, "/run/user/1000/dowel/plans": folder };

  test("specify() hides other apps' data and the installation in a home that it shows", () => {
    const specification = specifyExample({ options: ["--filesystem=home"], nodes });
    expect(targets(specification, "tmpfs")).toEqual(
      expect.arrayContaining(["/home/ann/.var/app", "/home/ann/.local/share/dowel"]),
    );
    const own = specification.mounts.findIndex((mount) => mount.target === data);
    const cover = specification.mounts.findIndex((mount) => mount.target === "/home/ann/.var/app");
    expect(own).toBeGreaterThan(cover);
  });

  test("specify() shows a part of the installation to an app that names it", () => {
    const options = ["--filesystem=home", "--filesystem=xdg-data/dowel/overrides"];
    const order = specifyExample({ options, nodes }).mounts.map((mount) => mount.target);
    const path = "/home/ann/.local/share/dowel";
    expect(order.indexOf(`${path}/overrides`)).toBeGreaterThan(order.indexOf(path));
    expect(order.indexOf(path)).toBeGreaterThan(0);
  });

  test.each(["xdg-run/dowel", "xdg-run/dowel/plans", "/run/user/1000/dowel/plans"])(
    "specify() never shows the folder of plans: %s",
    (token) => {
      expect(added({ options: [`--filesystem=${token}`], nodes })).toEqual([]);
    },
  );

  test("specify() covers the folder of plans in the whole of the host", () => {
    const specification = specifyExample({ options: ["--filesystem=host-root"], nodes });
    expect(targets(specification, "tmpfs")).toContain("/run/host/root/run/user/1000/dowel");
  });
});

describe("specify() for --persist", () => {
  test("specify() keeps a folder of the home in the app's own", () => {
    const specification = specifyExample({ options: ["--persist=.mozilla"] });
    expect(binds(specification)).toContain(`${data}/.mozilla /home/ann/.mozilla rw`);
    expect(specification.data).toContainEqual({ path: ".mozilla", kind: "directory" });
  });

  test("specify() keeps the whole home for a dot", () => {
    expect(binds(specifyExample({ options: ["--persist=."] }))).toContain(`${data} /home/ann rw`);
  });

  test("specify() has nothing to keep where the home itself is shown", () => {
    const options = ["--filesystem=home", "--persist=.mozilla"];
    expect(binds(specifyExample({ options })).join()).not.toContain(".mozilla");
  });
});

describe("specify() for a home that is a link", () => {
  test("specify() uses the folder behind the link and makes the link again", () => {
    const nodes = { "/home": { link: "var/home" }, "/var/home/ann/.var/app/org.example.App": folder };
    const machineNodes = { "/home/ann/.var/app/org.example.App": folder, ...nodes };
    const specification = specifyExample({ nodes: machineNodes });
    expect(targets(specification, "tmpfs")).toContain("/var/home/ann");
    expect(specification.dataFolder).toBe("/var/home/ann/.var/app/org.example.App");
    expect(specification.layer).toContainEqual({ kind: "symlink", path: "/home", to: "var/home" });
  });

  test.each(["/", "/usr", "/run"])("specify() refuses the home %s", (home) => {
    expect(() => specifyExample({ variables: { HOME: home } })).toThrow(
      expect.objectContaining({ code: "SANDBOX_INVALID" }),
    );
  });
});
