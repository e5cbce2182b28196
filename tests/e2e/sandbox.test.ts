// SPDX-License-Identifier: Apache-2.0
// The sandbox asked from inside what it reaches: a C program tries, the test compares with what it may.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { dowelPath, makeLayout, ordinaryUser, Sandpit } from "./support.ts";

const id = "org.example.Probe";

type Answer = Readonly<Record<string, unknown>>;

function parseLines(text: string): Answer[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Answer);
}

for (const [who, uid] of [
  ["root", 0],
  ["an ordinary user", ordinaryUser],
] as const) {
  describe(`inside, started by ${who}`, () => {
    const pit = new Sandpit(uid);
    const home = pit.path("home");

    beforeAll(() => {
      const layout = makeLayout(pit.path("images"));
      pit.own(pit.path("images"));
      pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
      writeFileSync(`${home}/secret`, "secret\n");
      mkdirSync(`${home}/Documents/deep`, { recursive: true });
      writeFileSync(`${home}/Documents/paper`, "paper\n");
      pit.own(home);
    });
    afterAll(() => pit[Symbol.dispose]());

    function probe(options: readonly string[], ...words: string[]): Answer[] {
      return parseLines(pit.succeed(["run", ...options, id, ...words]));
    }

    function one(options: readonly string[], ...words: string[]): Answer {
      const [answer] = probe(options, ...words);
      if (answer === undefined) throw new Error(`the probe said nothing to ${words.join(" ")}`);
      return answer;
    }

    test("it is the caller, without any right over others", () => {
      expect(one([], "id")).toMatchObject({
        uid,
        gid: uid,
        ppid: 1,
        CapInh: "0000000000000000",
        CapPrm: "0000000000000000",
        CapEff: "0000000000000000",
        CapBnd: "0000000000000000",
        CapAmb: "0000000000000000",
        NoNewPrivs: "1",
        Seccomp: "2",
      });
    });

    test("it sees its own processes only", () => {
      const { numbers } = one([], "processes") as { numbers: number[] };
      expect(numbers).toEqual([1, 2]);
    });

    test("it has no network but its own loopback, unless it is shared", async () => {
      expect(one([], "network")).toMatchObject({ interfaces: ["lo"] });
      const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
      await new Promise((listening) => server.once("listening", listening));
      const address = server.address();
      const port = address !== null && typeof address === "object" ? String(address.port) : "";
      const alone = one([], "network", port);
      expect(JSON.stringify(alone)).toContain("ECONNREFUSED");
      expect(JSON.stringify(one(["--share=network"], "network", port))).not.toContain("ECONNREFUSED");
      server.close();
    });

    test("every refused system call is refused, and ordinary ones are not", () => {
      const { results } = one([], "syscalls") as { results: Record<string, string> };
      const refused = [
        "unshare_user",
        "unshare_mount",
        "setns",
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "keyctl",
        "add_key",
        "request_key",
        "ptrace",
        "perf_event_open",
        "clone_user",
        "personality_other",
        "syslog",
        "quotactl",
        "acct",
        "move_pages",
        "mbind",
        "get_mempolicy",
        "set_mempolicy",
        "migrate_pages",
        "modify_ldt",
        "ioctl_tiocsti",
        "ioctl_tiocsti_high",
        "ioctl_tioclinux",
        "ioctl_tioclinux_high",
      ];
      for (const name of refused) expect([name, results[name]]).toEqual([name, "EPERM"]);
      for (const name of [
        "clone3",
        "open_tree",
        "move_mount",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
      ]) {
        expect([name, results[name]]).toEqual([name, "ENOSYS"]);
      }
      for (const [name, answer] of Object.entries(results)) {
        if (!name.startsWith("socket_")) continue;
        const allowed = ["socket_unix", "socket_inet", "socket_inet6", "socket_netlink"].includes(name);
        expect([name, answer]).toEqual([name, allowed ? "OK" : "EAFNOSUPPORT"]);
      }
    });

    test("--devel lets it be debugged, and nothing else", () => {
      const plain = (one([], "syscalls") as { results: Record<string, string> }).results;
      const devel = (one(["--devel"], "syscalls") as { results: Record<string, string> }).results;
      const changed = Object.keys(plain).filter((name) => plain[name] !== devel[name]);
      expect(changed.sort()).toEqual(["perf_event_open", "personality_other", "personality_read", "ptrace"]);
    });

    test("it reads its own files and cannot write them", () => {
      const answers = probe(
        [],
        "files",
        "/app/share/text",
        "/usr/bin/true",
        "/etc/motd",
        "/",
        "/app",
        "/usr",
        "/etc",
        "/.flatpak-info",
      );
      for (const answer of answers) {
        expect(answer).toMatchObject({ stat: "OK" });
        expect(String(answer["write"])).toMatch(/EROFS|EACCES|EPERM/);
      }
    });

    test("the host's files are not there", () => {
      const hidden = [
        `${home}/secret`,
        `${home}/Documents`,
        "/etc/shadow",
        "/root/.bashrc",
        "/var/lib/dpkg",
        "/boot",
        "/run/dowel",
        pit.path("run"),
        dowelPath,
      ];
      for (const answer of probe([], "files", ...hidden))
        expect([answer["path"], answer["stat"]]).toEqual([answer["path"], "ENOENT"]);
      const [passwd] = probe([], "files", "/etc/passwd");
      expect(
        String(passwd?.["content"])
          .split("\n")
          .filter((line) => line !== "").length,
      ).toBeLessThanOrEqual(2);
    });

    test("what a filesystem permission names is there, as it says", () => {
      const [paper, secret] = probe(
        ["--filesystem=~/Documents:ro"],
        "files",
        `${home}/Documents/paper`,
        `${home}/secret`,
      );
      expect(paper).toMatchObject({ stat: "OK", content: "paper\n", write: "EROFS" });
      expect(secret).toMatchObject({ stat: "ENOENT" });
      const [writable] = probe(["--filesystem=home"], "files", `${home}/Documents/paper`);
      expect(writable).toMatchObject({ stat: "OK", write: "OK" });
      const [denied] = probe(["--filesystem=home", "--nofilesystem=~/Documents"], "files", `${home}/Documents/paper`);
      expect(denied).toMatchObject({ stat: "ENOENT" });
      const [installation] = probe(["--filesystem=home"], "files", `${home}/.local/share/dowel/version`);
      expect(installation).toMatchObject({ stat: "ENOENT" });
    });

    test("its data folder is its own, kept, and no link leads out of it", () => {
      const data = `${home}/.var/app/${id}`;
      probe([], "id");
      expect(readdirSync(data)).toEqual(expect.arrayContaining(["cache", "config", "data"]));
      for (const name of ["cache", "config", "data"]) {
        rmSync(`${data}/${name}`, { recursive: true });
        symlinkSync(`${home}/Documents`, `${data}/${name}`);
        const { status, stderr } = pit.dowel(["run", id, "id"]);
        expect(status).toBe(1);
        expect(stderr).toContain(name);
        rmSync(`${data}/${name}`);
        mkdirSync(`${data}/${name}`);
        pit.own(data);
      }
      expect(readdirSync(`${home}/Documents`).sort()).toEqual(["deep", "paper"]);
      expect(pit.dowel(["run", id, "id"]).status).toBe(0);
    });

    test("the environment is the caller's but for what misleads loaders, and as options say", () => {
      const environment = { LD_PRELOAD: "/evil.so", KEPT: "kept", PYTHONPATH: "/evil" };
      const answer = JSON.parse(
        pit.succeed(["run", "--env=ADDED=a=b", "--unset-env=LANG", id, "env"], { environment }),
      ) as Answer;
      const text = JSON.stringify(answer);
      expect(text).toContain("kept");
      expect(text).toContain("a=b");
      expect(text).not.toContain("evil");
      expect(text).not.toContain("C.UTF-8");
    });

    test("no descriptor of the caller or the launcher is left open", () => {
      const { open = [] } = one([], "fds") as { open?: number[] };
      expect(open.filter((fd) => fd > 2)).toEqual([]);
    });

    test("signals reach it, and with it everything it started ends", async () => {
      const child = spawn(dowelPath, ["run", id, "wait"], {
        env: pit.environment,
        cwd: pit.path("work"),
        stdio: ["ignore", "pipe", "inherit"],
        ...(uid === 0 ? {} : { uid, gid: uid }),
      });
      const ended = new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
      let said = "";
      child.stdout.setEncoding("utf8");
      await new Promise<void>((ready) =>
        child.stdout.on("data", (text: string) => {
          said += text;
          ready();
        }),
      );
      child.kill("SIGTERM");
      await ended;
      expect(said).toContain("15");
    });

    test("a plan or its folder that others could have made is not used", () => {
      pit.succeed(["run", id, "id"]);
      const plans = pit.path("run", "dowel", "plans");
      const [plan] = readdirSync(plans);
      if (plan === undefined) throw new Error("no plan was kept");
      const bytes = readFileSync(`${plans}/${plan}`);
      for (const damaged of [bytes.subarray(0, bytes.length / 2), Buffer.alloc(64), Buffer.concat([bytes, bytes])]) {
        writeFileSync(`${plans}/${plan}`, damaged);
        pit.own(plans);
        expect(pit.succeed(["run", id, "id"])).toContain(`"uid":${uid}`);
      }
      chmodSync(pit.path("run", "dowel"), 0o777);
      const { status, stderr } = pit.dowel(["run", id, "id"]);
      expect([status, stderr]).toEqual([1, expect.stringContaining(pit.path("run", "dowel"))]);
      chmodSync(pit.path("run", "dowel"), 0o700);
      expect(statSync(plans).mode & 0o077).toBe(0);
    });

    test("wrong words end with an error that says what to do", () => {
      const missing = pit.dowel(["run", "org.example.Missing"]);
      expect(missing).toMatchObject({ status: 1, stderr: expect.stringContaining("hint:") });
      expect(pit.dowel(["run", "--share=everything", id]).stderr).toContain("everything");
      expect(pit.dowel(["run", "--filesystem=~/../..", id]).stderr).toContain("error:");
      expect(pit.dowel(["run", "--command=nothing", id]).status).toBe(127);
      expect(existsSync(pit.path("home", ".var/app/org.example.Missing"))).toBe(false);
    });
  });
}
